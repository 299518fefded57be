from hostile.case import Case, Then, Twin, gave, printed

CASE = Case(
    title="left for the next run: the exception hook replaced",
    guest="import sys\nsys.excepthook = print",
    expect=printed(),
    then=Then("import sys\nsys.excepthook is print", gave(False)),
    twin=Twin(
        granted="within the same run it is seen",
        guest="""\
import sys
sys.excepthook = print
import sys
sys.excepthook is print
""",
        expect=gave(True),
    ),
)
