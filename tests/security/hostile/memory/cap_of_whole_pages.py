from hostile.case import Case, Twin, gave, raised

from wasihost import Limits

CASE = Case(
    title="growing in small steps where the cap is a whole number of pages",
    guest="many = []\nwhile True: many.append(bytearray(60000))",
    options={"limits": Limits(memory_bytes=64 * 2**20)},
    expect=raised("MemoryError", memory_peak_bytes=64 * 2**20),
    twin=Twin(
        granted="what was refused can be given up, and the program goes on",
        guest="""\
many = []
try:
    while True: many.append(bytearray(60000))
except MemoryError:
    count = len(many)
    many.clear()
count > 100
""",
        expect=gave(True, memory_peak_bytes=64 * 2**20),
    ),
)
