from hostile.case import EPERM, Case, Twin, printed, raised

CASE = Case(
    title="removing a file outside",
    guest="import os\nos.unlink('/d/../secret.txt')",
    grant="write",
    expect=raised("PermissionError", EPERM),
    twin=Twin(granted="a link to it", guest="import os\nos.unlink('/d/relative')", expect=printed()),
)
