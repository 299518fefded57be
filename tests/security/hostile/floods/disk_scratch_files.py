from pathlib import Path

from hostile.case import Case, Twin, ended, printed

from wasihost import Outcome, Scratch


def scratch(folder: Path) -> dict[str, object]:
    return {"preopens": [Scratch("/s", disk_files=10)]}


CASE = Case(
    title="more files in a scratch folder than it holds",
    guest="for n in range(11): open(f'/s/{n}', 'w').close()",
    prepare=scratch,
    expect=ended(Outcome.DISK_LIMIT, "the run stored more than 10 files and folders in '/s'"),
    twin=Twin(
        granted="as many as it holds", guest="for n in range(10): open(f'/s/{n}', 'w').close()", expect=printed()
    ),
)
