from hostile.case import Case, Twin, gave, raised

from wasihost import Limits

CASE = Case(
    title="150 parentheses for eval",
    guest="eval('(' * 150 + '1' + ')' * 150)",
    options={"limits": Limits(deadline_seconds=30.0)},
    expect=raised("MemoryError"),
    twin=Twin(granted="few of them", guest="eval('(' * 10 + '1' + ')' * 10)", expect=gave(1)),
)
