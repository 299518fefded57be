from hostile.case import EPERM, Case, Twin, printed, raised

CASE = Case(
    title="read-only: removing a symbolic link",
    guest="import os\nos.unlink('/d/relative')",
    grant="read",
    expect=raised("PermissionError", EPERM),
    twin=Twin(granted="the folder, writable", grant="write", expect=printed()),
)
