import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from hostile.case import SECRET, Case, Twin, gave


@contextlib.contextmanager
def secret_variable(folder: Path) -> Iterator[None]:
    os.environ["WASIHOST_TEST_VARIABLE"] = SECRET
    try:
        yield
    finally:
        del os.environ["WASIHOST_TEST_VARIABLE"]


CASE = Case(
    title="reading the environment, the path and the arguments of the host",
    guest="import os, sys\n[dict(os.environ), os.getenv('PATH'), sys.argv]",
    around=secret_variable,
    expect=gave([{"HOME": "/"}, None, ["-c"]]),
    twin=Twin(
        granted="a variable and an argument",
        options={"env": {"A": "b"}, "args": ["x"]},
        expect=gave([{"HOME": "/", "A": "b"}, None, ["-c", "x"]]),
    ),
)
