from hostile.case import Case, Then, Twin, gave, printed

CASE = Case(
    title="left for the next run: the doctring of a builtin module changed",
    guest="import sys\nsys.__doc__ = 'planted'",
    expect=printed(),
    then=Then("import sys\nsys.__doc__ == 'planted'", gave(False)),
    twin=Twin(
        granted="within the same run it is seen",
        guest="""\
import sys
sys.__doc__ = 'planted'
import sys
sys.__doc__ == 'planted'
""",
        expect=gave(True),
    ),
)
