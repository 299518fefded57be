from hostile.case import Case, Twin, gave, raised

from wasihost import Limits

CASE = Case(
    title="reading 100,000 lists inside each other from JSON",
    guest="import json\njson.loads('[' * 100000 + ']' * 100000)",
    options={"limits": Limits(deadline_seconds=30.0)},
    expect=raised("RecursionError"),
    twin=Twin(
        granted="few of them",
        guest="import json\njson.dumps(json.loads('[' * 10 + ']' * 10))",
        expect=gave("[" * 10 + "]" * 10),
    ),
)
