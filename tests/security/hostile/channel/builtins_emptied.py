from hostile.case import Case, Twin, crashed, gave
from hostile.harness import HARNESS, NO_REPLY

CASE = Case(
    title="all builtins removed but one",
    guest=HARNESS + "import builtins\nd = vars(builtins)\nfor n in list(d):\n  if n != 'len': d.pop(n, None)\n",
    expect=crashed(NO_REPLY, stderr=None),
    twin=Twin(granted="looking at them", guest=HARNESS + "len(g) > 5", expect=gave(True)),
)
