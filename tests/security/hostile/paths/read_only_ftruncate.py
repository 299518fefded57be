from hostile.case import EPERM, Case, Twin, printed, raised

CASE = Case(
    title="read-only: cutting a file by descriptor",
    guest="import os\nos.ftruncate(os.open('/d/a.txt', os.O_RDWR), 0)",
    grant="read",
    expect=raised("PermissionError", EPERM),
    twin=Twin(granted="the folder, writable", grant="write", expect=printed()),
)
