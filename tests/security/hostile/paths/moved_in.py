from hostile.case import EPERM, Case, Twin, printed, raised

CASE = Case(
    title="moving a file from outside into the grant",
    guest="import os\nos.rename('/d/../secret.txt', '/d/new')",
    grant="write",
    expect=raised("PermissionError", EPERM),
    twin=Twin(
        granted="from inside",
        guest="""\
import os
os.rename('/d/sub/../a.txt', '/d/new')
print(open('/d/new').read())
""",
        expect=printed("public\n"),
    ),
)
