from hostile.case import Case, Twin, printed

CASE = Case(
    title="read-only: changing the mode of a file, which succeeds in WASI and changes nothing",
    guest="import os\nos.chmod('/d/a.txt', 0o777)",
    grant="read",
    expect=printed(),
    twin=Twin(
        granted="the folder, writable: no more than that",
        grant="write",
        guest="""\
import os
os.chmod('/d/a.txt', 0)
print(open('/d/a.txt').read())
""",
        expect=printed("public\n"),
    ),
)
