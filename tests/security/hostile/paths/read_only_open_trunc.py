from hostile.case import EPERM, Case, Twin, printed, raised

CASE = Case(
    title="read-only: opening for reading with O_TRUNC",
    guest="import os\nos.close(os.open('/d/a.txt', os.O_RDONLY | os.O_TRUNC))",
    grant="read",
    expect=raised("PermissionError", EPERM),
    twin=Twin(granted="the folder, writable", grant="write", expect=printed()),
)
