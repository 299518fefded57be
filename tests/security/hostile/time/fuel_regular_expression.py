from hostile.case import Case, Twin, ended, printed

from wasihost import Limits, Outcome

CASE = Case(
    title="a regular expression that backtracks, against the count of instructions",
    guest="import re\nre.match(r'(a+)+$', 'a' * 60 + 'b')",
    options={"limits": Limits(fuel=150_000_000)},
    expect=ended(Outcome.OUT_OF_FUEL, "the run used up its fuel of 150000000 instructions"),
    twin=Twin(
        granted="a text that matches",
        guest="import re\nprint(bool(re.match(r'(a+)+$', 'a' * 60)))",
        expect=printed("True\n"),
    ),
)
