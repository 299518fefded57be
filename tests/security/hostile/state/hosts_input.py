import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from hostile.case import SECRET, Case, Twin, gave


@contextlib.contextmanager
def secret_input(folder: Path) -> Iterator[None]:
    reader, writer = os.pipe()
    os.write(writer, SECRET.encode())
    os.close(writer)
    kept = os.dup(0)
    os.dup2(reader, 0)
    try:
        yield
        if os.read(0, 100) != SECRET.encode():
            raise AssertionError("somebody read the host's standard input")
    finally:
        os.dup2(kept, 0)
        os.close(kept)
        os.close(reader)


CASE = Case(
    title="reading the host's own standard input",
    guest="import sys, os\n[sys.stdin.read(), os.read(0, 100).decode()]",
    around=secret_input,
    expect=gave(["", ""]),
    twin=Twin(granted="an input", options={"stdin": "given"}, expect=gave(["given", ""])),
)
