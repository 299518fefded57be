from hostile.case import EPERM, Case, Twin, gave, raised

CASE = Case(
    title="read-only: writing through a descriptor opened with O_RDWR",
    guest="import os\nos.write(os.open('/d/a.txt', os.O_RDWR), b'x')",
    grant="read",
    expect=raised("PermissionError", EPERM),
    twin=Twin(granted="the folder, writable", grant="write", expect=gave(1)),
)
