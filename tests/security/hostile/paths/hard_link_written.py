import os
from pathlib import Path

from hostile.case import EPERM, SECRET, Case, Twin, printed, raised


def add_hard_link(folder: Path) -> None:
    os.link(folder.parent / "secret.txt", folder / "hard")


CASE = Case(
    title="writing through a hard link to a file outside, in a read-only grant",
    guest="open('/d/hard', 'w')",
    grant="read",
    prepare=add_hard_link,
    expect=raised("PermissionError", EPERM),
    twin=Twin(
        granted="a hard link is the file itself, so who puts it into a granted folder grants its reading",
        guest="print(open('/d/hard').read())",
        expect=printed(SECRET + "\n"),
        reads_secret=True,
    ),
)
