import re

from hostile.case import Case, Then, Twin, ended, gave

from wasihost import Limits, Outcome

CASE = Case(
    title="left for the next run: changes of a run that used up its instructions",
    guest="""\
import sys
sys.modules['planted'] = 1
while True: pass
""",
    options={"limits": Limits(fuel=150_000_000)},
    expect=ended(Outcome.OUT_OF_FUEL, re.compile("the run used up its fuel of 150000000 instructions")),
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
