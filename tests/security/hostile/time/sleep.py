from hostile.case import DEFAULT_RUNTIME_ONLY, Case, Twin, printed, stopped

from wasihost import Limits

CASE = Case(
    title="sleeping for thirty years",
    guest="import time\ntime.sleep(1e9)",
    options={"limits": Limits(deadline_seconds=0.3)},
    expect=stopped(),
    twin=Twin(
        options={},
        granted="ten milliseconds",
        guest="""\
import time
time.sleep(0.01)
print('awake')
""",
        expect=printed("awake\n"),
    ),
    runtimes=DEFAULT_RUNTIME_ONLY,
    because="the clock is the host's",
)
