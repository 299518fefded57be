import contextlib
from collections.abc import Iterator
from pathlib import Path

from hostile.case import DEFAULT_RUNTIME_ONLY, Case, Twin, printed

from wasihost import Limits

heard: list[bytes] = []


@contextlib.contextmanager
def counted(folder: Path) -> Iterator[dict[str, object]]:
    heard.clear()
    yield {"on_stdout": heard.append}
    if b"".join(heard) != b"x\n" * 20_000:
        raise AssertionError("the listener heard something else than what was printed")


CASE = Case(
    title="a listener of the host called for each of 20,000 lines: all arrive, in order",
    guest="import os\nfor _ in range(20_000): os.write(1, b'x\\n')",
    around=counted,
    options={"limits": Limits(deadline_seconds=60.0)},
    expect=printed("x\n" * 20_000),
    twin=Twin(granted="one line", guest="print('x')", options={"on_stdout": len}, expect=printed("x\n")),
    runtimes=DEFAULT_RUNTIME_ONLY,
    because="the listener is the host's",
)
