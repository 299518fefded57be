from hostile.case import Case, Then, Twin, gave, printed

CASE = Case(
    title="left for the next run: the recursion limit lowered",
    guest="import sys\nsys.setrecursionlimit(77)",
    expect=printed(),
    then=Then("import sys\nsys.getrecursionlimit() == 77", gave(False)),
    twin=Twin(
        granted="within the same run it is seen",
        guest="""\
import sys
sys.setrecursionlimit(77)
import sys
sys.getrecursionlimit() == 77
""",
        expect=gave(True),
    ),
)
