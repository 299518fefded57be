from hostile.case import Case, Twin, gave, raised

from wasihost import Limits

CASE = Case(
    title="pickling 100,000 lists inside each other",
    guest="""\
import pickle
x = []
for _ in range(100000): x = [x]
pickle.dumps(x)
""",
    options={"limits": Limits(deadline_seconds=30.0)},
    expect=raised("RecursionError"),
    twin=Twin(
        granted="few of them",
        guest="""\
import pickle
x = []
for _ in range(10): x = [x]
pickle.loads(pickle.dumps(x)) == x
""",
        expect=gave(True),
    ),
)
