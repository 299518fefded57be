from hostile.case import Case, Twin, gave, raised

from wasihost import Limits

CASE = Case(
    title="marshalling 100,000 lists inside each other",
    guest="""\
import marshal
x = []
for _ in range(100000): x = [x]
marshal.dumps(x)
""",
    options={"limits": Limits(deadline_seconds=30.0)},
    expect=raised("ValueError"),
    twin=Twin(
        granted="few of them",
        guest="""\
import marshal
x = []
for _ in range(10): x = [x]
marshal.loads(marshal.dumps(x)) == x
""",
        expect=gave(True),
    ),
)
