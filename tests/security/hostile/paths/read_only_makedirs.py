from hostile.case import EPERM, Case, Twin, printed, raised

CASE = Case(
    title="read-only: making folders inside each other",
    guest="import os\nos.makedirs('/d/sub/x/y')",
    grant="read",
    expect=raised("PermissionError", EPERM),
    twin=Twin(granted="the folder, writable", grant="write", expect=printed()),
)
