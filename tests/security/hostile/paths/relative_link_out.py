from hostile.case import EPERM, Case, Twin, printed, raised

CASE = Case(
    title="a relative symbolic link that leads out",
    guest="open('/d/relative')",
    grant="read",
    expect=raised("PermissionError", EPERM),
    twin=Twin(granted="a link that stays inside", guest="print(open('/d/inside').read())", expect=printed("public\n")),
)
