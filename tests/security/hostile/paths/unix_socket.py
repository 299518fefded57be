import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from hostile.case import Case, Twin, gave, raised


@contextlib.contextmanager
def listening(folder: Path) -> Iterator[None]:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(folder / "socket"))
        yield


CASE = Case(
    title="opening a socket of the host that lies in a granted folder",
    guest="open('/d/socket', 'r+b', buffering=0)",
    grant="write",
    around=listening,
    expect=raised("OSError"),
    twin=Twin(granted="a file", guest="open('/d/a.txt', 'r+b', buffering=0).write(b'x')", expect=gave(1)),
)
