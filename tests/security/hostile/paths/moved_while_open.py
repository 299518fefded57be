from hostile.case import EPERM, Case, Twin, gave, raised

CASE = Case(
    title="`..` from an open folder that is moved further down meanwhile",
    guest="""\
import os
fd = os.open('/d/sub', os.O_RDONLY)
os.mkdir('/d/x')
os.rename('/d/sub', '/d/x/sub')
os.open('../../secret.txt', os.O_RDONLY, dir_fd=fd)
""",
    grant="write",
    expect=raised("PermissionError", EPERM),
    twin=Twin(
        granted="a name in that folder",
        guest="""\
import os
fd = os.open('/d/sub', os.O_RDONLY)
os.rename('/d/sub', '/d/s')
os.stat('back', dir_fd=fd, follow_symlinks=False).st_size
""",
        expect=gave(8),
    ),
)
