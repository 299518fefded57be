from hostile.case import Case, Twin, gave, printed
from hostile.harness import HARNESS

CASE = Case(
    title="all builtins removed but one",
    guest=HARNESS + "import builtins\nd = vars(builtins)\nfor n in list(d):\n  if n != 'len': d.pop(n, None)\n",
    expect=printed(),
    twin=Twin(granted="looking at them", guest=HARNESS + "len(g) > 5", expect=gave(True)),
)
