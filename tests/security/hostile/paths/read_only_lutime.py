from hostile.case import EPERM, Case, Twin, printed, raised

CASE = Case(
    title="read-only: changing the dates of a symbolic link",
    guest="import os\nos.utime('/d/inside', (1, 1), follow_symlinks=False)",
    grant="read",
    expect=raised("PermissionError", EPERM),
    twin=Twin(granted="the folder, writable", grant="write", expect=printed()),
)
