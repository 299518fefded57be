from hostile.case import Case, Twin, ended, gave

from wasihost import Limits, Outcome

CASE = Case(
    title="a sparse file of a terabyte",
    guest="open('/d/new', 'wb').truncate(2**40)",
    grant="write",
    options={"limits": Limits(disk_bytes=2**20)},
    expect=ended(Outcome.DISK_LIMIT, "the run stored more than 1048576 bytes in its writable directories"),
    twin=Twin(granted="one of a megabyte", guest="open('/d/new', 'wb').truncate(2**20)", expect=gave(2**20)),
)
