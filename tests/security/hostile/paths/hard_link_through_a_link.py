from hostile.case import EPERM, Case, Twin, printed, raised

CASE = Case(
    title="making a hard link of a symbolic link out, then reading it",
    guest="""\
import os
os.link('/d/relative', '/d/new')
open('/d/new')
""",
    grant="write",
    expect=raised("PermissionError", EPERM),
    twin=Twin(
        granted="of a link that stays inside",
        guest="""\
import os
os.link('/d/inside', '/d/new')
print(open('/d/new').read())
""",
        expect=printed("public\n"),
    ),
)
