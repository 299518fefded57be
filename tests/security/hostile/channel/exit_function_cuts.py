import re

from hostile.case import Case, Twin, crashed, gave
from hostile.harness import HARNESS, NO_REPLY

CASE = Case(
    title="an exit function that takes the harness's encoder away",
    guest=HARNESS + "import atexit\natexit.register(g.__setitem__, 'encode_reply', None)\nraise ValueError\n",
    expect=crashed(NO_REPLY, stderr=re.compile(r"Traceback .*ValueError\n", re.DOTALL)),
    twin=Twin(granted="looking at them", guest=HARNESS + "len(g) > 5", expect=gave(True)),
)
