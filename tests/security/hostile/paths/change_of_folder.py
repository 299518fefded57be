from hostile.case import EPERM, Case, Twin, printed, raised

CASE = Case(
    title="climbing by changing the current folder",
    guest="""\
import os
os.chdir('/d/sub')
os.chdir('../..')
open('secret.txt')
""",
    grant="read",
    expect=raised("PermissionError", EPERM),
    twin=Twin(
        granted="once",
        guest="""\
import os
os.chdir('/d/sub')
os.chdir('..')
print(open('a.txt').read())
""",
        expect=printed("public\n"),
    ),
)
