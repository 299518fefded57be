from hostile.case import Case, Twin, ended, printed

from wasihost import Limits, Outcome

CASE = Case(
    title="symbolic links without end",
    guest="import os\nfor n in range(10**6): os.symlink('a.txt', f'/d/{n}')",
    grant="write",
    options={"limits": Limits(disk_files=100)},
    expect=ended(Outcome.DISK_LIMIT, "the run stored more than 100 files and folders in its writable directories"),
    twin=Twin(
        granted="a hundred", guest="import os\nfor n in range(100): os.symlink('a.txt', f'/d/{n}')", expect=printed()
    ),
)
