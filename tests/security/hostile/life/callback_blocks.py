import contextlib
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from hostile.case import Case, Twin, printed, stopped

from wasihost import Limits

release = threading.Event()


@contextlib.contextmanager
def blocked(folder: Path) -> Iterator[dict[str, object]]:
    release.clear()
    heard: list[bytes] = []

    def hold(data: bytes) -> None:
        heard.append(data)
        release.wait(10)

    yield {"on_stdout": hold}
    release.set()
    time.sleep(0.1)
    if heard != [b"a\n"]:
        raise AssertionError(f"after its end the run was still heard of: {heard}")


CASE = Case(
    title="a listener of the host does not come back: for the caller the run is over all the same",
    guest="print('a')\nprint('b')",
    around=blocked,
    options={"limits": Limits(deadline_seconds=0.3)},
    expect=stopped(re.compile("(a\n)?")),
    twin=Twin(granted="one that does", options={"on_stdout": len}, expect=printed("a\nb\n")),
    containments=("in-process",),
    because="with workers the listener runs on the thread of its caller, and holds nobody else up",
)
