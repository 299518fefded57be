from hostile.case import Case, Twin, gave, printed

CASE = Case(
    title="an integer of 5,000 digits: no value",
    guest="10**5000",
    expect=printed(),
    twin=Twin(granted="one of 4,001", guest="10**4000", expect=gave(10**4000)),
)
