from hostile.case import Case, Twin, gave, raised

from wasihost import Limits

CASE = Case(
    title="growing in steps of 60,000 bytes: the memory ends at the page of the cap, exactly",
    guest="many = []\nwhile True: many.append(bytearray(60000))",
    options={"limits": Limits(memory_bytes=64 * 2**20 + 65537)},
    expect=raised("MemoryError", memory_peak_bytes=64 * 2**20 + 65536),
    twin=Twin(
        granted="a higher cap",
        guest="many = [bytearray(60000) for _ in range(1000)]\nlen(many)",
        options={"limits": Limits(memory_bytes=256 * 2**20)},
        expect=gave(1000),
    ),
)
