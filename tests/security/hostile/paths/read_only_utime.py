from hostile.case import EPERM, Case, Twin, printed, raised

CASE = Case(
    title="read-only: changing the dates of a file",
    guest="import os\nos.utime('/d/a.txt', (1, 1))",
    grant="read",
    expect=raised("PermissionError", EPERM),
    twin=Twin(granted="the folder, writable", grant="write", expect=printed()),
)
