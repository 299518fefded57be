import os
import stat
from pathlib import Path

from hostile.case import Case, Twin, UnavailableError, gave, raised

from wasihost import Limits


def add_device(folder: Path) -> None:
    if os.getuid():
        raise UnavailableError("only root makes devices")
    try:
        os.mknod(folder / "zero", stat.S_IFCHR | 0o666, os.makedev(1, 5))
        os.close(os.open(folder / "zero", os.O_RDONLY))
    except PermissionError as error:
        raise UnavailableError("devices are not allowed here") from error


CASE = Case(
    title="reading a device without end that the host keeps in a granted folder",
    guest="open('/d/zero', 'rb').read()",
    grant="read",
    prepare=add_device,
    options={"limits": Limits(memory_bytes=64 * 2**20)},
    expect=raised("MemoryError"),
    twin=Twin(
        granted="a few bytes of it", guest="open('/d/zero', 'rb', buffering=0).read(4).hex()", expect=gave("00000000")
    ),
)
