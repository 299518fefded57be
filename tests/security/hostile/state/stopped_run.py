from hostile.case import Case, Then, Twin, gave, stopped

from wasihost import Limits

CASE = Case(
    title="left for the next run: changes of a run that was stopped at its deadline",
    guest="""\
import sys
sys.modules['planted'] = 1
while True: pass
""",
    options={"limits": Limits(deadline_seconds=0.3)},
    expect=stopped(),
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
