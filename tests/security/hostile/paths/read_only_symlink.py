from hostile.case import EPERM, Case, Twin, printed, raised

CASE = Case(
    title="read-only: making a symbolic link",
    guest="import os\nos.symlink('a.txt', '/d/new')",
    grant="read",
    expect=raised("PermissionError", EPERM),
    twin=Twin(granted="the folder, writable", grant="write", expect=printed()),
)
