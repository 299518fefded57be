from hostile.case import EPERM, Case, Twin, gave, raised

CASE = Case(
    title="read-only: changing a file in place",
    guest="open('/d/a.txt', 'r+').write('x')",
    grant="read",
    expect=raised("PermissionError", EPERM),
    twin=Twin(granted="the folder, writable", grant="write", expect=gave(1)),
)
