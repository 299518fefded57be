from hostile.case import DEFAULT_RUNTIME_ONLY, Case, Twin, printed, stopped

from wasihost import Limits

CASE = Case(
    title="a signal handler without end",
    guest="""\
import signal
def f(*_):
  while True: pass
signal.signal(2, f)
signal.raise_signal(2)
for _ in range(9**9): pass
""",
    options={"limits": Limits(deadline_seconds=0.3)},
    expect=stopped(),
    twin=Twin(
        options={},
        granted="one that ends",
        guest="""\
import signal
signal.signal(2, lambda *_: print('heard'))
signal.raise_signal(2)
""",
        expect=printed("heard\n"),
    ),
    runtimes=DEFAULT_RUNTIME_ONLY,
    because="the clock is the host's",
)
