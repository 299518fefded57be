from hostile.case import DEFAULT_RUNTIME_ONLY, Case, Twin, printed, stopped

from wasihost import Limits

CASE = Case(
    title="an exit function without end",
    guest="""\
import atexit
@atexit.register
def f():
  while True: pass
""",
    options={"limits": Limits(deadline_seconds=0.3)},
    expect=stopped(),
    twin=Twin(
        options={},
        granted="one that ends",
        guest="import atexit\natexit.register(print, 'bye')",
        expect=printed("bye\n"),
    ),
    runtimes=DEFAULT_RUNTIME_ONLY,
    because="the clock is the host's",
)
