from pathlib import Path

from hostile.case import Case, Twin, gave

from wasihost import Preopen


def overlay(folder: Path) -> dict[str, object]:
    return {"preopens": [Preopen(folder, "/d", overlay=True)]}


CASE = Case(
    title="renaming a folder of an overlay: the original stays as it is",
    guest="""\
import os
os.rename('/d/sub', '/d/s')
os.path.exists('/d/sub')
""",
    prepare=overlay,
    expect=gave(False),
    twin=Twin(
        granted="the folder, writable: it changes",
        prepare=lambda folder: {"preopens": [Preopen(folder, "/d", writable=True)]},
        expect=gave(False),
    ),
)
