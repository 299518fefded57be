from hostile.case import DEFAULT_RUNTIME_ONLY, Case, Twin, printed, stopped

from wasihost import Limits

CASE = Case(
    title="ringing the host's doorbell without end",
    guest="import time\nwhile True: time.clock_getres(time.CLOCK_REALTIME)",
    options={"limits": Limits(deadline_seconds=0.3)},
    expect=stopped(),
    twin=Twin(
        options={},
        granted="ringing once",
        guest="import time\nprint(time.clock_getres(time.CLOCK_REALTIME) > 0)",
        expect=printed("True\n"),
    ),
    runtimes=DEFAULT_RUNTIME_ONLY,
    because="the clock is the host's",
)
