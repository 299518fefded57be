from hostile.case import EINVAL, Case, Twin, printed, raised

CASE = Case(
    title="removing the granted folder itself",
    guest="import os\nos.rmdir('/d')",
    grant="write",
    expect=raised("OSError", EINVAL),
    twin=Twin(granted="a folder in it", guest="import os\nos.rmdir('/d/empty')", expect=printed()),
)
