from hostile.case import Case, Then, Twin, gave, printed

from wasihost import Limits

CASE = Case(
    title="left for the next run: a hundred files left open, of which each run may have 100",
    guest="""\
import os
kept = [os.open('/d/a.txt', os.O_RDONLY) for _ in range(100)]
os._exit(0)
""",
    grant="read",
    options={"limits": Limits(open_files=100)},
    expect=printed(),
    then=Then("import os\nlen([os.open('/d/a.txt', os.O_RDONLY) for _ in range(100)])", gave(100)),
    twin=Twin(granted="the same files closed", guest="for _ in range(300): open('/d/a.txt').close()", expect=printed()),
)
