import contextlib
from collections.abc import Iterator
from pathlib import Path

from hostile.case import Case, Refused, Twin, printed
from hostile.furniture import cache_at

from wasihost.errors import CacheError


@contextlib.contextmanager
def file(folder: Path) -> Iterator[None]:
    with cache_at(folder.parent / "other") as cache:
        cache.write_text("planted")
        yield


CASE = Case(
    title="a file where the cache should be",
    guest="",
    around=file,
    expect=Refused(CacheError, "is not a folder"),
    twin=Twin(granted="the cache of this user", guest="print(1)", expect=printed("1\n")),
)
