from hostile.case import EPERM, Case, Twin, printed, raised

CASE = Case(
    title="read-only: renaming a folder",
    guest="import os\nos.rename('/d/sub', '/d/sub2')",
    grant="read",
    expect=raised("PermissionError", EPERM),
    twin=Twin(granted="the folder, writable", grant="write", expect=printed()),
)
