from pathlib import Path

from hostile.case import Case, Twin, ended, printed

from wasihost import Limits, Outcome, Preopen


def other(folder: Path) -> dict[str, object]:
    (folder.parent / "other").mkdir()
    return {"preopens": [Preopen(folder.parent / "other", "/o", writable=True)]}


CASE = Case(
    title="half of what may be stored in each of two folders, and a byte more",
    guest="""\
import os
for path in ('/d/x', '/o/x'):
  open(path, 'wb').write(bytes(2**19))
open('/o/y', 'wb').write(b'x')
""",
    grant="write",
    prepare=other,
    options={"limits": Limits(disk_bytes=2**20)},
    expect=ended(Outcome.DISK_LIMIT, "the run stored more than 1048576 bytes in its writable directories"),
    twin=Twin(
        granted="half in each",
        guest="for path in ('/d/x', '/o/x'):\n  open(path, 'wb').write(bytes(2**19))",
        expect=printed(),
    ),
)
