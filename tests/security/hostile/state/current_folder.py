from hostile.case import Case, Then, Twin, gave, printed

CASE = Case(
    title="left for the next run: the current folder changed",
    guest="import os\nos.chdir('/d/sub')",
    grant="read",
    expect=printed(),
    then=Then("import os\nos.getcwd()", gave("/")),
    twin=Twin(
        granted="within the same run it is seen",
        guest="""\
import os
os.chdir('/d/sub')
import os
os.getcwd()
""",
        expect=gave("/d/sub"),
    ),
)
