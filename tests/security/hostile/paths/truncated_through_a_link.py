from hostile.case import EPERM, Case, Twin, printed, raised

CASE = Case(
    title="truncating a file outside through an absolute link",
    guest="import os\nos.truncate('/d/absolute', 0)",
    grant="write",
    expect=raised("PermissionError", EPERM),
    twin=Twin(
        granted="a file inside through a link",
        guest="""\
import os
os.truncate('/d/inside', 3)
print(open('/d/a.txt').read())
""",
        expect=printed("pub\n"),
    ),
)
