from pathlib import Path

from hostile.case import Case, Refused, Twin, gave

from wasihost import Preopen
from wasihost.errors import InvalidPreopenError


def link_to_proc(folder: Path) -> dict[str, object]:
    (folder / "innocent").symlink_to("/proc/self")
    return {"preopens": [Preopen(folder / "innocent", "/d")]}


CASE = Case(
    title="the host grants a symbolic link that leads into /proc",
    guest="",
    prepare=link_to_proc,
    expect=Refused(InvalidPreopenError, "/proc, which is the kernel's and never granted"),
    twin=Twin(
        granted="a link to an ordinary folder",
        guest="import os\nsorted(os.listdir('/d'))",
        prepare=lambda folder: (folder / "link").symlink_to("sub") or {"preopens": [Preopen(folder / "link", "/d")]},
        expect=gave(["back", "out"]),
    ),
)
