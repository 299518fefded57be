from hostile.case import Case, Twin, gave

CASE = Case(
    title="asking without end for input that has ended",
    guest="import os\nsum(len(os.read(0, 10)) for _ in range(100_000))",
    options={"stdin": b"given"},
    expect=gave(5),
    twin=Twin(granted="asking once", guest="import sys\nsys.stdin.read()", expect=gave("given")),
)
