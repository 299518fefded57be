import contextlib
from collections.abc import Iterator
from pathlib import Path

from hostile.case import Case, Refused, Twin, printed
from hostile.furniture import cache_at

from wasihost.errors import UntrustedCacheError


@contextlib.contextmanager
def link(folder: Path) -> Iterator[None]:
    with cache_at(folder.parent / "other") as cache:
        (folder.parent / "planted").mkdir(mode=0o700)
        cache.symlink_to(folder.parent / "planted")
        yield


CASE = Case(
    title="a cache that is a symbolic link to somewhere else",
    guest="",
    around=link,
    expect=Refused(UntrustedCacheError, "is a symbolic link, which could be made to point elsewhere"),
    twin=Twin(granted="the cache of this user", guest="print(1)", expect=printed("1\n")),
)
