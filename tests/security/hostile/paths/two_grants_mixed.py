from pathlib import Path

from hostile.case import EPERM, Case, Twin, printed, raised

from wasihost import Preopen


def other(folder: Path) -> dict[str, object]:
    (folder.parent / "other").mkdir()
    (folder.parent / "other" / "x").write_text("mine")
    return {"preopens": [Preopen(folder.parent / "other", "/o", writable=True)]}


CASE = Case(
    title="moving a file of a read-only grant into a writable one",
    guest="import os\nos.rename('/d/a.txt', '/o/a.txt')",
    grant="read",
    prepare=other,
    expect=raised("PermissionError", EPERM),
    twin=Twin(
        granted="copying it",
        guest="""\
import shutil
shutil.copyfile('/d/a.txt', '/o/x')
print(open('/o/x').read())
""",
        expect=printed("public\n"),
    ),
)
