from hostile.case import Case, Twin, printed, raised

from wasihost import Limits

CASE = Case(
    title="one huge bytes object",
    guest="b'x' * 2**30",
    options={"limits": Limits(memory_bytes=64 * 2**20, deadline_seconds=30.0)},
    expect=raised("MemoryError"),
    twin=Twin(granted="a megabyte", guest="print(len(b'x' * 2**20))", expect=printed("1048576\n")),
)
