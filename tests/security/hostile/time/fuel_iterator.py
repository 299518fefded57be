from hostile.case import Case, Twin, ended, printed

from wasihost import Limits, Outcome

CASE = Case(
    title="native code without end, against the count of instructions",
    guest="import itertools\nsum(itertools.repeat(1))",
    options={"limits": Limits(fuel=150_000_000)},
    expect=ended(Outcome.OUT_OF_FUEL, "the run used up its fuel of 150000000 instructions"),
    twin=Twin(
        granted="one of five items", guest="import itertools\nprint(sum(itertools.repeat(1, 5)))", expect=printed("5\n")
    ),
)
