from hostile.case import EPERM, Case, Twin, printed, raised

CASE = Case(
    title="making a folder through a link that leads up",
    guest="import os\nos.mkdir('/d/up/planted')",
    grant="write",
    expect=raised("PermissionError", EPERM),
    twin=Twin(granted="inside", guest="import os\nos.mkdir('/d/sub/planted')", expect=printed()),
)
