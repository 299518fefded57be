from hostile.case import Case, Then, Twin, gave, printed

CASE = Case(
    title="left for the next run: warnings turned into errors",
    guest="import warnings\nwarnings.simplefilter('error')",
    expect=printed(),
    then=Then("import warnings\n'error' in [f[0] for f in warnings.filters]", gave(False)),
    twin=Twin(
        granted="within the same run it is seen",
        guest="""\
import warnings
warnings.simplefilter('error')
import warnings
'error' in [f[0] for f in warnings.filters]
""",
        expect=gave(True),
    ),
)
