from hostile.case import EPERM, Case, Twin, gave, raised

CASE = Case(
    title="making a link to the folder above, then creating a file through it",
    guest="""\
import os
os.symlink('..', '/d/new')
open('/d/new/planted', 'w')
""",
    grant="write",
    expect=raised("PermissionError", EPERM),
    twin=Twin(
        granted="a link to a folder inside",
        guest="""\
import os
os.symlink('sub', '/d/new')
open('/d/new/planted', 'w').write('x')
""",
        expect=gave(1),
    ),
)
