from hostile.case import EPERM, Case, Twin, printed, raised

CASE = Case(
    title="making a hard link to a file outside",
    guest="import os\nos.link('/d/../secret.txt', '/d/new')",
    grant="write",
    expect=raised("PermissionError", EPERM),
    twin=Twin(
        granted="to a file inside",
        guest="""\
import os
os.link('/d/a.txt', '/d/new')
print(open('/d/new').read())
""",
        expect=printed("public\n"),
    ),
)
