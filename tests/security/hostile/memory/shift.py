from hostile.case import Case, Twin, printed, raised

from wasihost import Limits

CASE = Case(
    title="one huge integer",
    guest="1 << 2**33 - 1",
    options={"limits": Limits(memory_bytes=64 * 2**20, deadline_seconds=30.0)},
    expect=raised("MemoryError"),
    twin=Twin(granted="a small one", guest="print(1 << 10)", expect=printed("1024\n")),
)
