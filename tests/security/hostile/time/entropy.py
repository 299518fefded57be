from hostile.case import DEFAULT_RUNTIME_ONLY, Case, Twin, printed, stopped

from wasihost import Limits

CASE = Case(
    title="random bytes without end",
    guest="import os\nwhile True: os.urandom(2**20)",
    options={"limits": Limits(deadline_seconds=0.3)},
    expect=stopped(),
    twin=Twin(
        options={}, granted="a megabyte", guest="import os\nprint(len(os.urandom(2**20)))", expect=printed("1048576\n")
    ),
    runtimes=DEFAULT_RUNTIME_ONLY,
    because="the clock is the host's",
)
