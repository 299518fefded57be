from hostile.case import EPERM, Case, Twin, gave, raised

CASE = Case(
    title="size and dates of a file outside, through a symbolic link",
    guest="import os\nos.stat('/d/absolute')",
    grant="read",
    expect=raised("PermissionError", EPERM),
    twin=Twin(granted="a file inside", guest="import os\nos.stat('/d/inside').st_size", expect=gave(6)),
)
