from hostile.case import Case, Twin, printed, raised

from wasihost import Limits

CASE = Case(
    title="the product of a list with itself, kept",
    guest="import itertools\nlist(itertools.product(range(1000), repeat=3))",
    options={"limits": Limits(memory_bytes=64 * 2**20, deadline_seconds=30.0)},
    expect=raised("MemoryError"),
    twin=Twin(
        granted="of ten",
        guest="import itertools\nprint(len(list(itertools.product(range(10), repeat=3))))",
        expect=printed("1000\n"),
    ),
)
