from hostile.case import EPERM, Case, Twin, printed, raised

CASE = Case(
    title="read-only: removing an empty folder",
    guest="import os\nos.rmdir('/d/empty')",
    grant="read",
    expect=raised("PermissionError", EPERM),
    twin=Twin(granted="the folder, writable", grant="write", expect=printed()),
)
