from pathlib import Path

from hostile.case import Case, Twin, gave

from wasihost import Preopen


def overlay(folder: Path) -> dict[str, object]:
    return {"preopens": [Preopen(folder, "/d", overlay=True)]}


CASE = Case(
    title="emptying and writing a file of an overlay: the original stays as it is",
    guest="open('/d/a.txt', 'w').write('mine')\nopen('/d/a.txt').read()",
    prepare=overlay,
    expect=gave("mine"),
    twin=Twin(
        granted="the folder, writable: it changes",
        prepare=lambda folder: {"preopens": [Preopen(folder, "/d", writable=True)]},
        expect=gave("mine"),
    ),
)
