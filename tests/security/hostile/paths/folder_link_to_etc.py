from hostile.case import EPERM, Case, Twin, printed, raised

from wasihost import Preopen

CASE = Case(
    title="a symbolic link to /etc, in the middle of a path",
    guest="open('/d/etc/passwd')",
    grant="read",
    expect=raised("PermissionError", EPERM),
    twin=Twin(
        granted="the folder itself, as a grant of its own",
        guest="print(open('/e/a.txt').read())",
        prepare=lambda folder: {"preopens": [Preopen(folder, "/e")]},
        grant="none",
        expect=printed("public\n"),
    ),
)
