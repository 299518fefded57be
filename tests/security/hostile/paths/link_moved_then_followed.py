from hostile.case import EPERM, Case, Twin, printed, raised

CASE = Case(
    title="renaming a link that leads out, then following it",
    guest="""\
import os
os.rename('/d/up', '/d/up2')
open('/d/up2/secret.txt')
""",
    grant="write",
    expect=raised("PermissionError", EPERM),
    twin=Twin(
        granted="renaming a link that stays inside",
        guest="""\
import os
os.rename('/d/inside', '/d/in2')
print(open('/d/in2').read())
""",
        expect=printed("public\n"),
    ),
)
