from hostile.case import Case, Twin, ended, printed

from wasihost import Limits, Outcome

CASE = Case(
    title="one file larger than what may be stored",
    guest="with open('/d/new', 'wb', buffering=0) as file:\n  while True: file.write(bytes(65536))",
    grant="write",
    options={"limits": Limits(disk_bytes=2**20)},
    expect=ended(Outcome.DISK_LIMIT, "the run stored more than 1048576 bytes in its writable directories"),
    twin=Twin(
        granted="as much as may be stored",
        guest="with open('/d/new', 'wb', buffering=0) as file:\n  for _ in range(16): file.write(bytes(65536))",
        expect=printed(),
    ),
)
