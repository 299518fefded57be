from hostile.case import EPERM, Case, Twin, printed, raised

CASE = Case(
    title="moving a folder to a path through a link that leads up",
    guest="import os\nos.rename('/d/sub', '/d/up/planted')",
    grant="write",
    expect=raised("PermissionError", EPERM),
    twin=Twin(
        granted="through a link that stays inside",
        guest="""\
import os
os.symlink('sub', '/d/s')
os.rename('/d/s/../a.txt', '/d/s/a.txt')
print(open('/d/sub/a.txt').read())
""",
        expect=printed("public\n"),
    ),
)
