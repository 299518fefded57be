from hostile.case import Case, Twin, gave, printed

CASE = Case(
    title="the program's value is NaN, which JSON lacks: no value",
    guest="float('nan')",
    expect=printed(),
    twin=Twin(granted="a number", guest="1.5", expect=gave(1.5)),
)
