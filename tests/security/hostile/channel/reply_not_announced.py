from hostile.case import Case, Twin, crashed, gave
from hostile.harness import HARNESS, NO_REPLY

CASE = Case(
    title="an exit function after which no reply is announced",
    guest=HARNESS + "import atexit\natexit.register(lambda: g.__setitem__('write_two', lambda *a: None))\n",
    expect=crashed(NO_REPLY),
    twin=Twin(granted="looking at them", guest=HARNESS + "len(g) > 5", expect=gave(True)),
)
