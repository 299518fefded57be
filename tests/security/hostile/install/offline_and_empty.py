import contextlib
from collections.abc import Iterator
from pathlib import Path

from hostile.case import Case, Refused, Twin, printed
from hostile.furniture import cache_at, changed

from wasihost.errors import OfflineError


@contextlib.contextmanager
def offline(folder: Path) -> Iterator[None]:
    with cache_at(folder.parent / "other"), changed("WASIHOST_OFFLINE", "1"), changed("PIP_FIND_LINKS", None):
        yield


CASE = Case(
    title="a first use without a network: the message says what to do",
    guest="",
    around=offline,
    expect=Refused(OfflineError, "WASIHOST_OFFLINE"),
    twin=Twin(granted="a cache that has the runtime needs no network", guest="print(1)", expect=printed("1\n")),
)
