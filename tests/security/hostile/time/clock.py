from hostile.case import DEFAULT_RUNTIME_ONLY, Case, Twin, printed, stopped

from wasihost import Limits

CASE = Case(
    title="reading the clock without end",
    guest="import time\nwhile True: time.time()",
    options={"limits": Limits(deadline_seconds=0.3)},
    expect=stopped(),
    twin=Twin(
        options={}, granted="reading it once", guest="import time\nprint(time.time() > 1e9)", expect=printed("True\n")
    ),
    runtimes=DEFAULT_RUNTIME_ONLY,
    because="the clock is the host's",
)
