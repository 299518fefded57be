from hostile.case import Case, Then, Twin, gave, printed

CASE = Case(
    title="left for the next run: a builtin planted",
    guest="import builtins\nbuiltins.planted = 1",
    expect=printed(),
    then=Then("import builtins\nhasattr(builtins, 'planted')", gave(False)),
    twin=Twin(
        granted="within the same run it is seen",
        guest="""\
import builtins
builtins.planted = 1
import builtins
hasattr(builtins, 'planted')
""",
        expect=gave(True),
    ),
)
