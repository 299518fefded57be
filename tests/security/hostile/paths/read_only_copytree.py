from hostile.case import EPERM, Case, Twin, printed, raised

CASE = Case(
    title="read-only: copying a tree into it",
    guest="import shutil\nshutil.copytree('/d/sub', '/d/copy', symlinks=True) and None",
    grant="read",
    expect=raised("PermissionError", EPERM),
    twin=Twin(granted="the folder, writable", grant="write", expect=printed()),
)
