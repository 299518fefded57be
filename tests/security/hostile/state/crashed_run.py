import re

from hostile.case import Case, Then, Twin, crashed, gave

CASE = Case(
    title="left for the next run: changes of a run that crashed",
    guest="""\
import sys, os
sys.modules['planted'] = 1
os.abort()
""",
    expect=crashed(re.compile("unreachable code was reached.*"), stderr=None),
    then=Then("import sys\n'planted' in sys.modules", gave(False)),
    twin=Twin(
        granted="within the same run they are seen",
        guest="""\
import sys
sys.modules['planted'] = 1
'planted' in sys.modules
""",
        expect=gave(True),
    ),
)
