from hostile.case import Case, Twin, ended, printed

from wasihost import Limits, Outcome

CASE = Case(
    title="many files, each of them small, whose bytes together are more than may be stored",
    guest="for n in range(10**6): open(f'/d/{n}', 'wb').write(bytes(100_000))",
    grant="write",
    options={"limits": Limits(disk_bytes=2**20)},
    expect=ended(Outcome.DISK_LIMIT, "the run stored more than 1048576 bytes in its writable directories"),
    twin=Twin(
        granted="ten of them", guest="for n in range(10): open(f'/d/{n}', 'wb').write(bytes(100_000))", expect=printed()
    ),
)
