from hostile.case import Case, Twin, ended, printed

from wasihost import Limits, Outcome

CASE = Case(
    title="a million empty files",
    guest="for n in range(10**6): open(f'/d/{n}', 'w').close()",
    grant="write",
    options={"limits": Limits(disk_files=100)},
    expect=ended(Outcome.DISK_LIMIT, "the run stored more than 100 files and folders in its writable directories"),
    twin=Twin(granted="a hundred", guest="for n in range(100): open(f'/d/{n}', 'w').close()", expect=printed()),
)
