from hostile.case import Case, Twin, gave, raised

from wasihost import Limits

CASE = Case(
    title="a program of two megabytes",
    guest="x = 1\n" * 350_000 + "x",
    options={"limits": Limits(memory_bytes=64 * 2**20, deadline_seconds=60.0)},
    expect=raised("MemoryError"),
    twin=Twin(granted="one of sixty kilobytes", guest="x = 1\n" * 10_000 + "x", options={}, expect=gave(1)),
)
