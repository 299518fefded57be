from hostile.case import EPERM, Case, Twin, printed, raised

CASE = Case(
    title="an absolute symbolic link that leads out",
    guest="open('/d/absolute')",
    grant="read",
    expect=raised("PermissionError", EPERM),
    twin=Twin(
        granted="a link that stays inside", guest="print(open('/d/sub/back').read())", expect=printed("public\n")
    ),
)
