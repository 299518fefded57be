from hostile.case import EPERM, Case, Twin, gave, raised

CASE = Case(
    title="reading where an absolute link leads, to learn the paths of the host",
    guest="import os\nos.readlink('/d/absolute')",
    grant="read",
    expect=raised("PermissionError", EPERM),
    twin=Twin(granted="a relative link", guest="import os\nos.readlink('/d/sub/back')", expect=gave("../a.txt")),
)
