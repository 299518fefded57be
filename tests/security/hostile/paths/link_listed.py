from hostile.case import EPERM, Case, Twin, gave, raised

CASE = Case(
    title="listing through a symbolic link to the folder above",
    guest="import os\nos.listdir('/d/up')",
    grant="read",
    expect=raised("PermissionError", EPERM),
    twin=Twin(granted="a folder inside", guest="import os\nsorted(os.listdir('/d/sub'))", expect=gave(["back", "out"])),
)
