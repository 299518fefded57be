from hostile.case import Case, Then, Twin, gave, printed

CASE = Case(
    title="left for the next run: the collector switched off",
    guest="import gc\ngc.disable()",
    expect=printed(),
    then=Then("import gc\ngc.isenabled()", gave(True)),
    twin=Twin(
        granted="within the same run it is seen",
        guest="""\
import gc
gc.disable()
import gc
gc.isenabled()
""",
        expect=gave(False),
    ),
)
