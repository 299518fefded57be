from hostile.case import DEFAULT_RUNTIME_ONLY, Case, Twin, raised, stopped

from wasihost import Limits

CASE = Case(
    title="an exception hook without end",
    guest="""\
import sys
def f(*_):
  while True: pass
sys.excepthook = f
1 / 0
""",
    options={"limits": Limits(deadline_seconds=0.3)},
    expect=stopped(),
    twin=Twin(
        options={},
        granted="one that ends",
        guest="""\
import sys
sys.excepthook = lambda *_: print('hooked')
1 / 0
""",
        expect=raised("ZeroDivisionError", stdout="hooked\n"),
    ),
    runtimes=DEFAULT_RUNTIME_ONLY,
    because="the clock is the host's",
)
