import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from hostile.case import DEFAULT_RUNTIME_ONLY, Case, Twin, printed, stopped

from wasihost import Limits


@contextlib.contextmanager
def fifo(folder: Path) -> Iterator[None]:
    os.mkfifo(folder / "fifo")
    yield
    # Whoever still waits for the other end is let go.
    os.close(os.open(folder / "fifo", os.O_RDWR | os.O_NONBLOCK))


CASE = Case(
    title="opening a FIFO that nobody writes to, which never returns",
    guest="open('/d/fifo')",
    grant="read",
    options={"limits": Limits(deadline_seconds=0.3)},
    around=fifo,
    expect=stopped(),
    twin=Twin(granted="a file", guest="print(open('/d/a.txt').read())", expect=printed("public\n")),
    runtimes=DEFAULT_RUNTIME_ONLY,
    because="the clock is the host's",
)
