from hostile.case import Case, Twin, gave, printed

CASE = Case(
    title="the program's value contains itself: no value",
    guest="""\
x = []
x.append(x)
x
""",
    expect=printed(),
    twin=Twin(granted="one that is there twice", guest="x = []\n[x, x]", expect=gave([[], []])),
)
