from hostile.case import ENOTDIR, Case, Twin, gave, raised

CASE = Case(
    title="a slash after a file",
    guest="open('/d/a.txt/')",
    grant="read",
    expect=raised("NotADirectoryError", ENOTDIR),
    twin=Twin(granted="a slash after a folder", guest="import os\nos.listdir('/d/empty/')", expect=gave([])),
)
