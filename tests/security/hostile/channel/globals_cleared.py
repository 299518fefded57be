from hostile.case import Case, Twin, crashed, gave
from hostile.harness import HARNESS, NO_REPLY

CASE = Case(
    title="the globals of the harness cleared",
    guest=HARNESS + "g.clear()\n",
    expect=crashed(NO_REPLY),
    twin=Twin(granted="looking at them", guest=HARNESS + "len(g) > 5", expect=gave(True)),
)
