import os
from pathlib import Path

from hostile.case import EILSEQ, Case, Twin, printed, raised


def add_bad_name(folder: Path) -> None:
    Path(os.fsdecode(os.fsencode(folder) + b"/bad\xff")).touch()


CASE = Case(
    title="listing a folder in which the host has a name that is not UTF-8",
    guest="import os\nos.listdir('/d')",
    grant="read",
    prepare=add_bad_name,
    expect=raised("OSError", EILSEQ),
    twin=Twin(
        granted="the other files of that folder can be read",
        guest="print(open('/d/a.txt').read())",
        expect=printed("public\n"),
    ),
)
