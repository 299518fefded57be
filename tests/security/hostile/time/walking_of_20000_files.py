from pathlib import Path

from hostile.case import DEFAULT_RUNTIME_ONLY, Case, Twin, printed, stopped
from hostile.furniture import folder_of_many_files

from wasihost import Limits, Preopen


def many(folder: Path) -> dict[str, object]:
    return {"preopens": [Preopen(folder_of_many_files(folder), "/d")]}


CASE = Case(
    title="looking at each of 20,000 files, again and again",
    guest="""\
import os
while True:
  for entry in os.scandir('/d'): entry.stat()
""",
    prepare=many,
    options={"limits": Limits(deadline_seconds=0.3)},
    expect=stopped(),
    twin=Twin(
        options={},
        granted="looking at one",
        guest="import os\nprint(os.stat('/d/file-00007').st_size)",
        expect=printed("0\n"),
    ),
    runtimes=DEFAULT_RUNTIME_ONLY,
    because="the clock is the host's",
)
