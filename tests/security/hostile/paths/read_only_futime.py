from hostile.case import EPERM, Case, Twin, printed, raised

CASE = Case(
    title="read-only: changing the dates of an open file",
    guest="import os\nos.utime(os.open('/d/a.txt', os.O_RDONLY), (1, 1))",
    grant="read",
    expect=raised("PermissionError", EPERM),
    twin=Twin(granted="the folder, writable", grant="write", expect=printed()),
)
