from hostile.case import Case, Twin, gave, raised

from wasihost import Limits

CASE = Case(
    title="100,000 parentheses for ast.literal_eval",
    guest="import ast\nast.literal_eval('(' * 100000 + '1' + ')' * 100000)",
    options={"limits": Limits(deadline_seconds=30.0)},
    expect=raised("MemoryError"),
    twin=Twin(granted="few of them", guest="import ast\nast.literal_eval('(' * 10 + '1' + ')' * 10)", expect=gave(1)),
)
