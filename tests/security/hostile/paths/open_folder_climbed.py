from hostile.case import EPERM, Case, Twin, gave, raised

CASE = Case(
    title="`..` relative to the descriptor of a folder inside",
    guest="import os\nos.open('../../secret.txt', os.O_RDONLY, dir_fd=os.open('/d/sub', os.O_RDONLY))",
    grant="read",
    expect=raised("PermissionError", EPERM),
    twin=Twin(
        granted="relative to that of the granted folder, without `..`",
        guest="import os\nos.read(os.open('a.txt', os.O_RDONLY, dir_fd=os.open('/d', os.O_RDONLY)), 9).decode()",
        expect=gave("public"),
    ),
)
