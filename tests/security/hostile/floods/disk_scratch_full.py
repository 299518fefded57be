from pathlib import Path

from hostile.case import Case, Twin, ended, gave

from wasihost import Outcome, Scratch


def scratch(folder: Path) -> dict[str, object]:
    return {"preopens": [Scratch("/s", disk_bytes=1000)]}


CASE = Case(
    title="more in a scratch folder than it holds",
    guest="open('/s/new', 'wb').write(bytes(1001))",
    prepare=scratch,
    expect=ended(Outcome.DISK_LIMIT, "the run stored more than 1000 bytes in '/s'"),
    twin=Twin(granted="as much as it holds", guest="open('/s/new', 'wb').write(bytes(1000))", expect=gave(1000)),
)
