from hostile.case import Case, Twin, gave, raised

from wasihost import Limits

CASE = Case(
    title="comparing two piles of 100,000 lists",
    guest="""\
x = []
for _ in range(100000): x = [x]
y = x
x = []
for _ in range(100000): x = [x]
x == y
""",
    options={"limits": Limits(deadline_seconds=30.0)},
    expect=raised("RecursionError"),
    twin=Twin(
        granted="few of them",
        guest="""\
x = []
for _ in range(10): x = [x]
y = x
x = []
for _ in range(10): x = [x]
x == y
""",
        expect=gave(True),
    ),
)
