from hostile.case import DEFAULT_RUNTIME_ONLY, Case, Twin, printed, stopped

from wasihost import Limits

CASE = Case(
    title="sorting without end, with a comparison in Python",
    guest="many = list(range(200000))\nwhile True: many.sort(key=lambda x: x * 7919 % 200003)",
    options={"limits": Limits(deadline_seconds=0.3)},
    expect=stopped(),
    twin=Twin(
        options={},
        granted="sorting a little",
        guest="print(sorted([3, 1, 2], key=lambda x: -x))",
        expect=printed("[3, 2, 1]\n"),
    ),
    runtimes=DEFAULT_RUNTIME_ONLY,
    because="the clock is the host's",
)
