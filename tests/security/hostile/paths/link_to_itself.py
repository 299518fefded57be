from hostile.case import ELOOP, Case, Twin, printed, raised

CASE = Case(
    title="a symbolic link to itself",
    guest="open('/d/loop')",
    grant="read",
    expect=raised("OSError", ELOOP),
    twin=Twin(granted="a link to a file", guest="print(open('/d/inside').read())", expect=printed("public\n")),
)
