from hostile.case import Case, Twin, gave, raised

from wasihost import Limits

CASE = Case(
    title="writing 100,000 lists inside each other as JSON",
    guest="""\
import json
x = []
for _ in range(100000): x = [x]
json.dumps(x)
""",
    options={"limits": Limits(deadline_seconds=30.0)},
    expect=raised("RecursionError"),
    twin=Twin(
        granted="few of them",
        guest="""\
import json
x = []
for _ in range(10): x = [x]
json.dumps(x)
""",
        expect=gave("[" * 11 + "]" * 11),
    ),
)
