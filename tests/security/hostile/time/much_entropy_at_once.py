from hostile.case import DEFAULT_RUNTIME_ONLY, Case, Twin, printed, stopped

from wasihost import Limits

CASE = Case(
    title="64 MiB of random bytes at a time, each one host call",
    guest="import os\nwhile True: os.urandom(2**26)",
    options={"limits": Limits(deadline_seconds=0.3)},
    expect=stopped(),
    twin=Twin(
        options={}, granted="64 KiB", guest="import os\nprint(len(os.urandom(2**16)))", expect=printed("65536\n")
    ),
    runtimes=DEFAULT_RUNTIME_ONLY,
    because="the clock is the host's",
)
