from hostile.case import Case, Twin, printed, raised

from wasihost import Limits

CASE = Case(
    title="one huge list",
    guest="[None] * 2**29",
    options={"limits": Limits(memory_bytes=64 * 2**20, deadline_seconds=30.0)},
    expect=raised("MemoryError"),
    twin=Twin(granted="a thousand items", guest="print(len([None] * 2**10))", expect=printed("1024\n")),
)
