from hostile.case import Case, Refused, Twin, printed

from wasihost import Limits
from wasihost.errors import InvalidLimitsError

CASE = Case(
    title="the host gives less memory than the interpreter itself needs",
    guest="",
    options={"limits": Limits(memory_bytes=2**20)},
    expect=Refused(InvalidLimitsError, "the least that works is"),
    twin=Twin(
        granted="64 MiB", guest="print(1)", options={"limits": Limits(memory_bytes=64 * 2**20)}, expect=printed("1\n")
    ),
)
