from hostile.case import Case, Twin, crashed, printed
from hostile.harness import FETCHED, HARNESS

from wasihost import Limits

CASE = Case(
    title="the request fetched again and again over the interpreter's own memory",
    guest=HARNESS
    + "import time\nfor at in range(0, 2**26, 100_000):\n  word(8, at); word(0, 1); time.clock_getres(0)\n",
    options={"inputs": {"x": "y" * 100_000}, "limits": Limits(deadline_seconds=10.0, fuel=2_000_000_000)},
    expect=crashed("memory was accessed out of bounds"),
    twin=Twin(granted="over a buffer of its own", guest=FETCHED, expect=printed("True\n")),
)
