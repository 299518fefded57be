from hostile.case import EPERM, Case, Twin, printed, raised

CASE = Case(
    title="making a relative link that leads out, then reading through it",
    guest="""\
import os
os.symlink('../secret.txt', '/d/new')
open('/d/new')
""",
    grant="write",
    expect=raised("PermissionError", EPERM),
    twin=Twin(
        granted="one that stays inside",
        guest="""\
import os
os.symlink('../a.txt', '/d/sub/new')
print(open('/d/sub/new').read())
""",
        expect=printed("public\n"),
    ),
)
