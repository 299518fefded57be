from hostile.case import Case, Twin, gave

CASE = Case(
    title="whether a file outside exists, through a symbolic link",
    guest="import os\nos.path.exists('/d/relative')",
    grant="read",
    expect=gave(False),
    twin=Twin(granted="a file inside", guest="import os\nos.path.exists('/d/inside')", expect=gave(True)),
)
