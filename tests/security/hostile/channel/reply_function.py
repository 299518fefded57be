from hostile.case import Case, Twin, crashed, gave
from hostile.harness import HARNESS, NO_REPLY

CASE = Case(
    title="the harness's reply function replaced by one that does nothing",
    guest=HARNESS + "g['give_reply'] = lambda *a: None\n",
    expect=crashed(NO_REPLY),
    twin=Twin(granted="looking at them", guest=HARNESS + "len(g) > 5", expect=gave(True)),
)
