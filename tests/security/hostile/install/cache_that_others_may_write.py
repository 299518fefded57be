import contextlib
from collections.abc import Iterator
from pathlib import Path

from hostile.case import Case, Refused, Twin, printed
from hostile.furniture import cache_at

from wasihost.errors import UntrustedCacheError


@contextlib.contextmanager
def open_to_all(folder: Path) -> Iterator[None]:
    with cache_at(folder.parent / "other") as cache:
        cache.mkdir(parents=True)
        (cache / "planted").touch()
        cache.chmod(0o777)
        yield


CASE = Case(
    title="a cache that everybody may write to",
    guest="",
    around=open_to_all,
    expect=Refused(UntrustedCacheError, "others can write to the cache folder"),
    twin=Twin(granted="the cache of this user", guest="print(1)", expect=printed("1\n")),
)
