from pathlib import Path

from hostile.case import Case, Twin, gave

from wasihost import Preopen


def overlay(folder: Path) -> dict[str, object]:
    return {"preopens": [Preopen(folder, "/d", overlay=True)]}


CASE = Case(
    title="removing a file of an overlay: the original stays as it is",
    guest="""\
import os
os.unlink('/d/a.txt')
os.path.exists('/d/a.txt')
""",
    prepare=overlay,
    expect=gave(False),
    twin=Twin(
        granted="the folder, writable: it changes",
        prepare=lambda folder: {"preopens": [Preopen(folder, "/d", writable=True)]},
        expect=gave(False),
    ),
)
