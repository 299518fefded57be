import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from hostile.case import Case, Refused, Twin, UnavailableError, printed
from hostile.furniture import cache_at

from wasihost.errors import UntrustedCacheError


@contextlib.contextmanager
def foreign(folder: Path) -> Iterator[None]:
    if os.getuid():
        raise UnavailableError("only root gives folders to others")
    with cache_at(folder.parent / "other") as cache:
        cache.mkdir(mode=0o700, parents=True)
        (cache / "planted").touch()
        os.chown(cache, 65534, 65534)
        yield


CASE = Case(
    title="the cache belongs to another user",
    guest="",
    around=foreign,
    expect=Refused(UntrustedCacheError, "belongs to user 65534, not to this user"),
    twin=Twin(granted="the cache of this user", guest="print(1)", expect=printed("1\n")),
)
