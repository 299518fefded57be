from hostile.case import EPERM, Case, Twin, printed, raised

CASE = Case(
    title="read-only: renaming a file",
    guest="import os\nos.rename('/d/a.txt', '/d/b.txt')",
    grant="read",
    expect=raised("PermissionError", EPERM),
    twin=Twin(granted="the folder, writable", grant="write", expect=printed()),
)
