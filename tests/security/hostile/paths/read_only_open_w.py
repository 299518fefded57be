from hostile.case import EPERM, Case, Twin, printed, raised

CASE = Case(
    title="read-only: creating a file",
    guest="open('/d/new', 'w').close()",
    grant="read",
    expect=raised("PermissionError", EPERM),
    twin=Twin(granted="the folder, writable", grant="write", expect=printed()),
)
