from pathlib import Path

from hostile.case import Case, Refused, Twin, gave

from wasihost import Preopen
from wasihost.errors import InvalidPreopenError


def overlapping(folder: Path) -> dict[str, object]:
    return {"preopens": [Preopen(folder, "/d", writable=True), Preopen(folder / "up" / "granted" / "sub", "/e")]}


CASE = Case(
    title="the host grants a folder writable and one inside it read-only, through symbolic links",
    guest="",
    prepare=overlapping,
    expect=Refused(InvalidPreopenError, "grant both alike or separate them"),
    twin=Twin(
        granted="both writable",
        guest="""\
import os
os.rename('/e/back', '/e/forth')
sorted(os.listdir('/d/sub'))
""",
        prepare=lambda folder: {
            "preopens": [
                Preopen(folder, "/d", writable=True),
                Preopen(folder / "up" / "granted" / "sub", "/e", writable=True),
            ]
        },
        grant="none",
        expect=gave(["forth", "out"]),
    ),
)
