from hostile.case import EPERM, Case, Twin, printed, raised

CASE = Case(
    title="read-only: emptying a file by opening it",
    guest="open('/d/a.txt', 'w').close()",
    grant="read",
    expect=raised("PermissionError", EPERM),
    twin=Twin(granted="the folder, writable", grant="write", expect=printed()),
)
