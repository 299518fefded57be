from hostile.case import Case, Twin, gave, raised

from wasihost import Limits

CASE = Case(
    title="marshal data that announces two thousand million items",
    guest="import marshal\nmarshal.loads(b'[\\xff\\xff\\xff\\x7f')",
    options={"limits": Limits(memory_bytes=64 * 2**20)},
    expect=raised("MemoryError"),
    twin=Twin(
        granted="one that announces none",
        guest="import marshal\nmarshal.loads(b'[\\x00\\x00\\x00\\x00')",
        expect=gave([]),
    ),
)
