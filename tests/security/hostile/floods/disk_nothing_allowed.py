from hostile.case import Case, Twin, ended, gave

from wasihost import Limits, Outcome

CASE = Case(
    title="storing anything at all, where nothing may be stored",
    guest="import os\nos.write(os.open('/d/new', os.O_CREAT | os.O_WRONLY), b'x')",
    grant="write",
    options={"limits": Limits(disk_bytes=0)},
    expect=ended(Outcome.DISK_LIMIT, "the run stored more than 0 bytes in its writable directories"),
    twin=Twin(granted="a byte", options={"limits": Limits(disk_bytes=1)}, expect=gave(1)),
)
