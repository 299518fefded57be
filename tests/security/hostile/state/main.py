from hostile.case import Case, Then, Twin, gave, printed

CASE = Case(
    title="left for the next run: a global of the program",
    guest="planted = 1",
    expect=printed(),
    then=Then("'planted' in globals()", gave(False)),
    twin=Twin(granted="within the same run it is seen", guest="planted = 1\n'planted' in globals()", expect=gave(True)),
)
