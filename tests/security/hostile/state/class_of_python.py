from hostile.case import Case, Then, Twin, gave, printed

CASE = Case(
    title="left for the next run: a class of the standard library changed",
    guest="import enum\nenum.Enum.planted = 1",
    expect=printed(),
    then=Then("import enum\nhasattr(enum.Enum, 'planted')", gave(False)),
    twin=Twin(
        granted="within the same run it is seen",
        guest="""\
import enum
enum.Enum.planted = 1
import enum
hasattr(enum.Enum, 'planted')
""",
        expect=gave(True),
    ),
)
