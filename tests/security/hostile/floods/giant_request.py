from hostile.case import Case, Twin, gave, raised

from wasihost import Limits

CASE = Case(
    title="an input of 40 MB as a variable, in 64 MiB of memory",
    guest="len(x)",
    options={"limits": Limits(memory_bytes=64 * 2**20), "inputs": {"x": "y" * 40_000_000}},
    expect=raised("MemoryError"),
    twin=Twin(granted="one of a megabyte", options={"inputs": {"x": "y" * 10**6}}, expect=gave(10**6)),
)
