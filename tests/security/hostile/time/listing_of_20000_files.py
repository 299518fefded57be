from pathlib import Path

from hostile.case import DEFAULT_RUNTIME_ONLY, Case, Twin, printed, stopped
from hostile.furniture import folder_of_many_files

from wasihost import Limits, Preopen


def many(folder: Path) -> dict[str, object]:
    return {"preopens": [Preopen(folder_of_many_files(folder), "/d")]}


CASE = Case(
    title="listing a folder of 20,000 files, which takes the host quadratic time",
    guest="import os\nwhile True: os.listdir('/d')",
    prepare=many,
    options={"limits": Limits(deadline_seconds=0.3)},
    expect=stopped(),
    twin=Twin(
        options={},
        granted="a folder of a few files",
        guest="import os\nprint(len(os.listdir('/e')))",
        prepare=lambda folder: {"preopens": [Preopen(folder, "/e")]},
        expect=printed("12\n"),
    ),
    runtimes=DEFAULT_RUNTIME_ONLY,
    because="the clock is the host's",
)
