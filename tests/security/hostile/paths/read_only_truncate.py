from hostile.case import EPERM, Case, Twin, printed, raised

CASE = Case(
    title="read-only: cutting a file by name",
    guest="import os\nos.truncate('/d/a.txt', 0)",
    grant="read",
    expect=raised("PermissionError", EPERM),
    twin=Twin(granted="the folder, writable", grant="write", expect=printed()),
)
