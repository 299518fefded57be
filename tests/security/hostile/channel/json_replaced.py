from hostile.case import Case, Twin, gave

CASE = Case(
    title="the json module gutted",
    guest="""\
import json
json.loads = json.dumps = json.JSONEncoder.encode = None
5
""",
    expect=gave(5),
    twin=Twin(granted="the program without it", guest="5", expect=gave(5)),
)
