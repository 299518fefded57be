from pathlib import Path

from hostile.case import Case, Refused, Twin, printed

from wasihost import Preopen
from wasihost.errors import InvalidPreopenError


def overlapping(folder: Path) -> dict[str, object]:
    return {"preopens": [Preopen(folder, "/d"), Preopen(folder / "sub", "/e", writable=True)]}


CASE = Case(
    title="the host grants a folder read-only and one inside it writable",
    guest="",
    prepare=overlapping,
    expect=Refused(InvalidPreopenError, "grant both alike or separate them"),
    twin=Twin(
        granted="both read-only",
        guest="import os\nprint(open('/d/a.txt').read(), len(os.listdir('/e')))",
        prepare=lambda folder: {"preopens": [Preopen(folder, "/d"), Preopen(folder / "sub", "/e")]},
        expect=printed("public 2\n"),
    ),
)
