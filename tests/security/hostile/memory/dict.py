from hostile.case import Case, Twin, printed, raised

from wasihost import Limits

CASE = Case(
    title="a dict that grows without end",
    guest="d = {}\nfor i in range(10**9): d[i] = [i]",
    options={"limits": Limits(memory_bytes=64 * 2**20, deadline_seconds=30.0)},
    expect=raised("MemoryError"),
    twin=Twin(granted="a hundred keys", guest="print(len({i: [i] for i in range(100)}))", expect=printed("100\n")),
)
