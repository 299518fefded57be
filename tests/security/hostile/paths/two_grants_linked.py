from pathlib import Path

from hostile.case import EPERM, Case, Twin, gave, raised

from wasihost import Preopen


def other(folder: Path) -> dict[str, object]:
    (folder.parent / "other").mkdir()
    return {"preopens": [Preopen(folder.parent / "other", "/o", writable=True)]}


CASE = Case(
    title="a hard link of a read-only grant's file in a writable grant, to write to it there",
    guest="""\
import os
os.link('/d/a.txt', '/o/a.txt')
open('/o/a.txt', 'w')
""",
    grant="read",
    prepare=other,
    expect=raised("PermissionError", EPERM),
    twin=Twin(
        granted="both names in the writable grant",
        guest="""\
import os
open('/o/a', 'w').close()
os.link('/o/a', '/o/b')
open('/o/b', 'w').write('x')
""",
        expect=gave(1),
    ),
)
