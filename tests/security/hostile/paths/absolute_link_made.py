from hostile.case import EPERM, Case, Twin, printed, raised

CASE = Case(
    title="making an absolute symbolic link, for the host to follow later",
    guest="import os\nos.symlink('/etc', '/d/new')",
    grant="write",
    expect=raised("PermissionError", EPERM),
    twin=Twin(
        granted="a relative one",
        guest="""\
import os
os.symlink('a.txt', '/d/new')
print(open('/d/new').read())
""",
        expect=printed("public\n"),
    ),
)
