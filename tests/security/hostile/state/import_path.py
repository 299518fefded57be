from hostile.case import Case, Then, Twin, gave, printed

CASE = Case(
    title="left for the next run: a folder planted on the import path",
    guest="import sys\nsys.path.insert(0, '/planted')",
    expect=printed(),
    then=Then("import sys\n'/planted' in sys.path", gave(False)),
    twin=Twin(
        granted="within the same run it is seen",
        guest="""\
import sys
sys.path.insert(0, '/planted')
import sys
'/planted' in sys.path
""",
        expect=gave(True),
    ),
)
