from hostile.case import Case, Twin, gave
from hostile.granted import GRANTED
from hostile.harness import HARNESS

_CALLS = HARNESS + (
    "said = []\n"
    "for name in NAMES:\n"
    "    try: said.append(g['call_now'](name, ('a',), {}))\n"
    "    except Exception as error: said.append(type(error).__name__)\n"
    "said"
)

CASE = Case(
    title="calling names of Python as if they were functions of the host",
    guest=_CALLS.replace("NAMES", "('__class__', '__import__', 'eval', 'look_up.__globals__', '', 'look_up\\0')"),
    options=GRANTED,
    expect=gave(["HostFunctionError"] * 3 + ["ValueError"] * 3),
    twin=Twin(granted="the name of one", guest=_CALLS.replace("NAMES", "('look_up',)"), expect=gave([["a"]])),
)
