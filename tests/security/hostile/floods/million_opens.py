from hostile.case import EMFILE, Case, Twin, printed, raised

CASE = Case(
    title="a million open files",
    guest="import os\nfor _ in range(10**6): os.open('/d/a.txt', os.O_RDONLY)",
    grant="read",
    expect=raised("OSError", EMFILE),
    twin=Twin(granted="one after the other", guest="for _ in range(1000): open('/d/a.txt').close()", expect=printed()),
)
