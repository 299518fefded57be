from hostile.case import ELOOP, Case, Twin, printed, raised

CASE = Case(
    title="two symbolic links to each other, in the middle of a path",
    guest="open('/d/ping/a.txt')",
    grant="read",
    expect=raised("OSError", ELOOP),
    twin=Twin(granted="a path without them", guest="print(open('/d/sub/back').read())", expect=printed("public\n")),
)
