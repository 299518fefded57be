from hostile.case import Case, Twin, ended, printed

from wasihost import Limits, Outcome

CASE = Case(
    title="a loop without end, without a deadline near: the instructions are counted",
    guest="while True: pass",
    options={"limits": Limits(fuel=150_000_000)},
    expect=ended(Outcome.OUT_OF_FUEL, "the run used up its fuel of 150000000 instructions"),
    twin=Twin(granted="a loop that ends", guest="for _ in range(1000): pass\nprint('done')", expect=printed("done\n")),
)
