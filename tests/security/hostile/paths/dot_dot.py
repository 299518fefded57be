from hostile.case import EPERM, Case, Twin, printed, raised

CASE = Case(
    title="`..` to the file beside the granted folder",
    guest="open('/d/../secret.txt')",
    grant="read",
    expect=raised("PermissionError", EPERM),
    twin=Twin(
        granted="`..` that stays inside", guest="print(open('/d/sub/../a.txt').read())", expect=printed("public\n")
    ),
)
