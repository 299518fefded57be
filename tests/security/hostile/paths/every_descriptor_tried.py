from hostile.case import Case, Twin, gave

CASE = Case(
    title="every descriptor from 3 to 40 as the start of paths that lead out",
    guest="""\
import os
found = set()
for fd in range(3, 41):
    for path in ('/etc/passwd', '../etc/passwd', '../secret.txt', '../../../../../../etc/passwd', 'a.txt'):
        try:
            found.add(os.read(os.open(path, os.O_RDONLY, dir_fd=fd), 6).decode())
        except OSError:
            pass
sorted(found)
""",
    expect=gave([]),
    twin=Twin(granted="the folder", grant="read", expect=gave(["public"])),
)
