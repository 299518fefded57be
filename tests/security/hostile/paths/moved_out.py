from hostile.case import EPERM, Case, Twin, printed, raised

CASE = Case(
    title="moving a file out of the grant",
    guest="import os\nos.rename('/d/a.txt', '/d/../planted')",
    grant="write",
    expect=raised("PermissionError", EPERM),
    twin=Twin(granted="within it", guest="import os\nos.rename('/d/a.txt', '/d/sub/../b.txt')", expect=printed()),
)
