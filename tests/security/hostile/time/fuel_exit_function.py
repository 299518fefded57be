from hostile.case import Case, Twin, ended, printed

from wasihost import Limits, Outcome

CASE = Case(
    title="an exit function without end, against the count of instructions",
    guest="""\
import atexit
@atexit.register
def f():
  while True: pass
""",
    options={"limits": Limits(fuel=150_000_000)},
    expect=ended(Outcome.OUT_OF_FUEL, "the run used up its fuel of 150000000 instructions"),
    twin=Twin(granted="one that ends", guest="import atexit\natexit.register(print, 'bye')", expect=printed("bye\n")),
)
