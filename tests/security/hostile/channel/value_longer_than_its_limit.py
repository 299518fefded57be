from hostile.case import Case, Twin, gave, printed

from wasihost import Limits

CASE = Case(
    title="a value of 1,001 bytes where 1,000 are allowed: no value",
    guest="'x' * 999",
    options={"limits": Limits(value_bytes=1000)},
    expect=printed(),
    twin=Twin(granted="one of 1,000", guest="'x' * 998", expect=gave("x" * 998)),
)
