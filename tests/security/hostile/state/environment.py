from hostile.case import Case, Then, Twin, gave, printed

CASE = Case(
    title="left for the next run: a variable planted in the environment",
    guest="""\
import os
os.environ['PLANTED'] = '1'
os.putenv('P2', '1')
""",
    expect=printed(),
    then=Then("import os\ndict(os.environ)", gave({"HOME": "/"})),
    twin=Twin(
        granted="within the same run it is seen",
        guest="""\
import os
os.environ['PLANTED'] = '1'
os.putenv('P2', '1')
import os
dict(os.environ)
""",
        expect=gave({"HOME": "/", "PLANTED": "1"}),
    ),
)
