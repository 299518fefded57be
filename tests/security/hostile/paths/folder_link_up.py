from hostile.case import EPERM, Case, Twin, printed, raised

CASE = Case(
    title="a symbolic link to the folder above, in the middle of a path",
    guest="open('/d/up/secret.txt')",
    grant="read",
    expect=raised("PermissionError", EPERM),
    twin=Twin(
        granted="a real folder in the middle", guest="print(open('/d/sub/back').read())", expect=printed("public\n")
    ),
)
