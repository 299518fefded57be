from pathlib import Path

from hostile.case import Case, Twin, gave

from wasihost import Preopen


def overlay(folder: Path) -> dict[str, object]:
    return {"preopens": [Preopen(folder, "/d", overlay=True)]}


CASE = Case(
    title="appending through a hard link made in an overlay: the original stays as it is",
    guest="""\
import os
os.link('/d/a.txt', '/d/b')
open('/d/b', 'a').write('!')
open('/d/a.txt').read()
""",
    prepare=overlay,
    expect=gave("public!"),
    twin=Twin(
        granted="the folder, writable: it changes",
        prepare=lambda folder: {"preopens": [Preopen(folder, "/d", writable=True)]},
        expect=gave("public!"),
    ),
)
