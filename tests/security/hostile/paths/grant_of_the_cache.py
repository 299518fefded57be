from pathlib import Path

from hostile.case import Case, Refused, Twin, printed

from wasihost import Preopen
from wasihost.errors import InvalidPreopenError
from wasihost.runtime.cache import cache_root


def grant_cache(folder: Path) -> dict[str, object]:
    return {"preopens": [Preopen(cache_root(), "/d")]}


CASE = Case(
    title="the host grants the cache, which holds native code that it runs",
    guest="",
    prepare=grant_cache,
    expect=Refused(InvalidPreopenError, "a folder that no guest may reach"),
    twin=Twin(
        granted="an ordinary folder",
        guest="print(open('/d/a.txt').read())",
        prepare=lambda folder: {"preopens": [Preopen(folder, "/d")]},
        expect=printed("public\n"),
    ),
)
