from hostile.case import Case, Then, Twin, gave, printed

CASE = Case(
    title="left for the next run: the precision of decimal changed",
    guest="import decimal\ndecimal.getcontext().prec = 3",
    expect=printed(),
    then=Then("import decimal\ndecimal.getcontext().prec", gave(28)),
    twin=Twin(
        granted="within the same run it is seen",
        guest="""\
import decimal
decimal.getcontext().prec = 3
import decimal
decimal.getcontext().prec
""",
        expect=gave(3),
    ),
)
