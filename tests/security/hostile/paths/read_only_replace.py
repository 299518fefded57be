from hostile.case import EPERM, Case, Twin, printed, raised

CASE = Case(
    title="read-only: putting one file over another",
    guest="import os\nos.replace('/d/inside', '/d/a.txt')",
    grant="read",
    expect=raised("PermissionError", EPERM),
    twin=Twin(granted="the folder, writable", grant="write", expect=printed()),
)
