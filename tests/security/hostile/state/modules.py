from hostile.case import Case, Then, Twin, gave, printed

CASE = Case(
    title="left for the next run: a module planted in sys.modules",
    guest="import sys\nsys.modules['planted'] = 1",
    expect=printed(),
    then=Then("import sys\n'planted' in sys.modules", gave(False)),
    twin=Twin(
        granted="within the same run it is seen",
        guest="""\
import sys
sys.modules['planted'] = 1
import sys
'planted' in sys.modules
""",
        expect=gave(True),
    ),
)
