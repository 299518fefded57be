from hostile.case import Case, Twin, printed, raised

from wasihost import Limits

CASE = Case(
    title="a number formatted to a gigabyte",
    guest="f'{1:1000000000}'",
    options={"limits": Limits(memory_bytes=64 * 2**20, deadline_seconds=30.0)},
    expect=raised("MemoryError"),
    twin=Twin(granted="to a thousand characters", guest="print(len(f'{1:1000}'))", expect=printed("1000\n")),
)
