from hostile.case import Case, Twin, printed, raised

from wasihost import Limits

CASE = Case(
    title="the representation of a representation, twenty times",
    guest="x = 'x' * 2**20\nfor _ in range(20): x = repr([x, x])",
    options={"limits": Limits(memory_bytes=64 * 2**20, deadline_seconds=30.0)},
    expect=raised("MemoryError"),
    twin=Twin(granted="once", guest="print(repr(['x']))", expect=printed("['x']\n")),
)
