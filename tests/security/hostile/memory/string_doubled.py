from hostile.case import Case, Twin, printed, raised

from wasihost import Limits

CASE = Case(
    title="a string doubled without end",
    guest="x = 'x'\nwhile True: x += x",
    options={"limits": Limits(memory_bytes=64 * 2**20, deadline_seconds=30.0)},
    expect=raised("MemoryError"),
    twin=Twin(
        granted="ten times",
        guest="""\
x = 'x'
for _ in range(10): x += x
print(len(x))
""",
        expect=printed("1024\n"),
    ),
)
