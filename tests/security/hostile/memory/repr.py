from hostile.case import Case, Twin, gave, raised

from wasihost import Limits

CASE = Case(
    title="the representation of 100,000 lists inside each other",
    guest="""\
x = []
for _ in range(100000): x = [x]
repr(x)
""",
    options={"limits": Limits(deadline_seconds=30.0)},
    expect=raised("RecursionError"),
    twin=Twin(
        granted="few of them",
        guest="""\
x = []
for _ in range(10): x = [x]
repr(x)
""",
        expect=gave("[" * 11 + "]" * 11),
    ),
)
