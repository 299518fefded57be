import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from hostile.case import ESPIPE, Case, Twin, printed, raised

from wasihost import Limits


@contextlib.contextmanager
def silent_fifo(folder: Path) -> Iterator[None]:
    os.mkfifo(folder / "fifo")
    held = os.open(folder / "fifo", os.O_RDWR)
    yield
    os.close(held)


CASE = Case(
    title="reading from a FIFO whose writer stays silent: what cannot be read at a position is not read",
    guest="open('/d/fifo', 'rb', buffering=0).read(1)",
    grant="read",
    around=silent_fifo,
    options={"limits": Limits(deadline_seconds=5.0)},
    expect=raised("OSError", ESPIPE),
    twin=Twin(
        granted="standard input, which has an end",
        guest="import sys, os\nprint([sys.stdin.read(), os.read(0, 10)])",
        options={"stdin": b"given"},
        expect=printed("['given', b'']\n"),
    ),
)
