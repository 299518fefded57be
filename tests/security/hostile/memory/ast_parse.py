from hostile.case import Case, Twin, gave, raised

from wasihost import Limits

CASE = Case(
    title="100,000 operators for ast.parse",
    guest="import ast\nast.parse('-' * 100000 + '1')",
    options={"limits": Limits(deadline_seconds=30.0)},
    expect=raised("MemoryError"),
    twin=Twin(granted="few of them", guest="import ast\nlen(ast.parse('-' * 10 + '1').body)", expect=gave(1)),
)
