from hostile.case import Case, Twin, gave, raised

from wasihost import Limits

CASE = Case(
    title="100,000 operators for compile",
    guest="compile('-' * 100000 + '1', '', 'eval')",
    options={"limits": Limits(deadline_seconds=30.0)},
    expect=raised("MemoryError"),
    twin=Twin(granted="few of them", guest="eval(compile('-' * 10 + '1', '', 'eval'))", expect=gave(1)),
)
