import contextlib
from collections.abc import Iterator
from pathlib import Path

from hostile.case import SECRET, Case, Twin, gave
from hostile.furniture import meanwhile

from wasihost import Limits


@contextlib.contextmanager
def swapping(folder: Path) -> Iterator[None]:
    outside = folder.parent / "outside"
    outside.mkdir()
    (outside / "f").write_text(SECRET)
    (folder / "x").mkdir()
    (folder / "x" / "f").write_text("public")
    (folder / "link").symlink_to(outside)

    def swap() -> None:
        (folder / "x").rename(folder / "y")
        (folder / "link").rename(folder / "x")
        (folder / "x").rename(folder / "link")
        (folder / "y").rename(folder / "x")

    with meanwhile(swap):
        yield


CASE = Case(
    title="the host swaps a folder for a link that leads out, in a loop, while the guest reads below it",
    guest="""\
import collections
seen = collections.Counter()
while seen.total() < 1500 or not seen['public'] or len(seen) < 2:
    try:
        seen[open('/d/x/f').read()] += 1
    except OSError as error:
        seen[error.errno] += 1
sorted(set(map(str, seen)) - {'public', '44', '63'})
""",
    grant="read",
    options={"limits": Limits(deadline_seconds=30.0)},
    around=swapping,
    expect=gave([]),
    twin=Twin(
        granted="nobody swaps",
        guest="[open('/d/a.txt').read() for _ in range(1500)] == ['public'] * 1500",
        expect=gave(True),
    ),
)
