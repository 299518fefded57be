from hostile.case import DEFAULT_RUNTIME_ONLY, Case, Twin, printed, stopped

from wasihost import Limits

CASE = Case(
    title="an iterator without end that native code consumes",
    guest="import itertools\nsum(itertools.repeat(1))",
    options={"limits": Limits(deadline_seconds=0.3)},
    expect=stopped(),
    twin=Twin(
        options={},
        granted="one of five items",
        guest="import itertools\nprint(sum(itertools.repeat(1, 5)))",
        expect=printed("5\n"),
    ),
    runtimes=DEFAULT_RUNTIME_ONLY,
    because="the clock is the host's",
)
