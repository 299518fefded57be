from hostile.case import DEFAULT_RUNTIME_ONLY, Case, Twin, gave, stopped

from wasihost import Limits

CASE = Case(
    title="a list that is consumed faster than it is made",
    guest="""\
def g():
  while True: yield from ()

list(g())
""",
    options={"limits": Limits(deadline_seconds=0.3)},
    expect=stopped(),
    twin=Twin(options={}, granted="two items", guest="list(iter([1, 2]))", expect=gave([1, 2])),
    runtimes=DEFAULT_RUNTIME_ONLY,
    because="the clock is the host's",
)
