from hostile.case import Case, Twin, gave, printed

CASE = Case(
    title="the program's value is 100,000 lists inside each other: no value",
    guest="""\
x = []
for _ in range(100000): x = [x]
x
""",
    expect=printed(),
    twin=Twin(granted="three of them", guest="[[[]]]", expect=gave([[[]]])),
)
