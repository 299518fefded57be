from hostile.case import Case, Twin, gave, raised

from wasihost import Limits

CASE = Case(
    title="copying 100,000 lists inside each other",
    guest="""\
import copy
x = []
for _ in range(100000): x = [x]
copy.deepcopy(x)
""",
    options={"limits": Limits(deadline_seconds=30.0)},
    expect=raised("RecursionError"),
    twin=Twin(
        granted="few of them",
        guest="""\
import copy
x = []
for _ in range(10): x = [x]
copy.deepcopy(x) == x
""",
        expect=gave(True),
    ),
)
