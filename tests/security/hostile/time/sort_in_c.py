from hostile.case import DEFAULT_RUNTIME_ONLY, Case, Twin, printed, stopped

from wasihost import Limits

CASE = Case(
    title="one huge sort that never leaves native code",
    guest="import random\nwhile True: sorted(random.choices(range(10**6), k=10**6))",
    options={"limits": Limits(deadline_seconds=0.3)},
    expect=stopped(),
    twin=Twin(options={}, granted="a small sort", guest="print(sorted([3, 1, 2]))", expect=printed("[1, 2, 3]\n")),
    runtimes=DEFAULT_RUNTIME_ONLY,
    because="the clock is the host's",
)
