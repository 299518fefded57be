from hostile.case import Case, Twin, printed, raised

from wasihost import Limits

CASE = Case(
    title="exceptions that keep each other, without end",
    guest="""\
e = None
while True:
  e = ValueError(bytearray(60000), e)
""",
    options={"limits": Limits(memory_bytes=64 * 2**20, deadline_seconds=30.0)},
    expect=raised("MemoryError"),
    twin=Twin(
        granted="ten of them",
        guest="""\
e = None
for _ in range(10):
  e = ValueError(bytearray(60000), e)
print(len(e.args))
""",
        expect=printed("2\n"),
    ),
)
