from hostile.case import Case, Then, Twin, gave, printed

CASE = Case(
    title="left for the next run: a module of the standard library changed",
    guest="import json\njson.planted = 1",
    expect=printed(),
    then=Then("import json\nhasattr(json, 'planted')", gave(False)),
    twin=Twin(
        granted="within the same run it is seen",
        guest="""\
import json
json.planted = 1
import json
hasattr(json, 'planted')
""",
        expect=gave(True),
    ),
)
