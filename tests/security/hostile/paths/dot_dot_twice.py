from hostile.case import EPERM, Case, Twin, printed, raised

CASE = Case(
    title="`..` twice, from a folder inside",
    guest="open('/d/sub/../../secret.txt')",
    grant="read",
    expect=raised("PermissionError", EPERM),
    twin=Twin(granted="`..` once", guest="print(open('/d/sub/../a.txt').read())", expect=printed("public\n")),
)
