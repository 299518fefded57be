import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from hostile.case import Case, Twin, ended, gave

from wasihost import Limits, Outcome

heard: list[bytes] = []


@contextlib.contextmanager
def listening(folder: Path) -> Iterator[dict[str, object]]:
    heard.clear()
    yield {"on_stdout": heard.append}
    if b"".join(heard) != b"x" * 12345:
        raise AssertionError("the listener heard something else than what is allowed")


CASE = Case(
    title="32 MiB for a listener of the host, who hears no more than is allowed",
    guest="import os\nos.write(1, b'x' * 2**25)",
    around=listening,
    options={"limits": Limits(output_bytes=12345)},
    expect=ended(
        Outcome.OUTPUT_LIMIT,
        "the run wrote more than 12345 bytes to standard output",
        stdout=re.compile(r"x{6173}\n\[\.\.\. \d+ bytes omitted \.\.\.\]\nx{6172}"),
        omitted_bytes=None,
    ),
    twin=Twin(
        granted="what is allowed",
        guest="import os\nos.write(1, b'x' * 12345)",
        options={"limits": Limits(output_bytes=12345), "on_stdout": heard.append},
        expect=gave(12345, stdout="x" * 12345),
    ),
)
