from pathlib import Path

from hostile.case import EPERM, Case, Twin, printed, raised

from wasihost import Preopen


def other(folder: Path) -> dict[str, object]:
    (folder.parent / "other").mkdir()
    return {"preopens": [Preopen(folder.parent / "other", "/o")]}


CASE = Case(
    title="`..` from one grant into its neighbour on the host",
    guest="open('/o/../granted/a.txt')",
    prepare=other,
    expect=raised("PermissionError", EPERM),
    twin=Twin(
        granted="a grant of the neighbour",
        guest="print(open('/d/a.txt').read())",
        grant="read",
        expect=printed("public\n"),
    ),
)
