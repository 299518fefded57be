from hostile.case import Case, Twin, gave, raised

from wasihost import Limits

CASE = Case(
    title="a function that calls itself without end",
    guest="def f(): f()\nf()",
    options={"limits": Limits(deadline_seconds=30.0)},
    expect=raised("RecursionError"),
    twin=Twin(granted="few of them", guest="def f(n): return n and f(n - 1)\nf(100)", expect=gave(0)),
)
