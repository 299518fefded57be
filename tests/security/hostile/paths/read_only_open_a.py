from hostile.case import EPERM, Case, Twin, gave, raised

CASE = Case(
    title="read-only: appending to a file",
    guest="open('/d/a.txt', 'a').write('x')",
    grant="read",
    expect=raised("PermissionError", EPERM),
    twin=Twin(granted="the folder, writable", grant="write", expect=gave(1)),
)
