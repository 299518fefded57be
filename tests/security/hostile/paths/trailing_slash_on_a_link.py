from hostile.case import EPERM, Case, Twin, gave, raised

CASE = Case(
    title="a slash after a symbolic link out, which makes some systems follow it",
    guest="import os\nos.lstat('/d/up/')",
    grant="read",
    expect=raised("PermissionError", EPERM),
    twin=Twin(
        granted="without the slash the link itself is looked at",
        guest="import os\nos.path.islink('/d/up')",
        expect=gave(True),
    ),
)
