from hostile.case import Case, Twin, printed, stopped
from hostile.harness import HARNESS

from wasihost import Limits

CASE = Case(
    title="last words announced, and then no end",
    guest=HARNESS + "word(28, 1)\nprint('x', flush=True)\nprint('y', file=sys.stderr)\nwhile True: pass",
    options={"limits": Limits(deadline_seconds=0.5)},
    expect=stopped("x\n", stderr="y\n"),
    twin=Twin(
        granted="an end",
        guest=HARNESS + "word(28, 1)\nprint('x', flush=True)\nprint('y', file=sys.stderr)",
        expect=printed("x\n", stderr="y\n"),
    ),
)
