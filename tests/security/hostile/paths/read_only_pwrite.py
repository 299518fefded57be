from hostile.case import EPERM, Case, Twin, gave, raised

CASE = Case(
    title="read-only: writing in the middle of a file",
    guest="import os\nos.pwrite(os.open('/d/a.txt', os.O_RDWR), b'x', 3)",
    grant="read",
    expect=raised("PermissionError", EPERM),
    twin=Twin(granted="the folder, writable", grant="write", expect=gave(1)),
)
