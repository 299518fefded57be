from hostile.case import DEFAULT_RUNTIME_ONLY, Case, Twin, printed, stopped

from wasihost import Limits

CASE = Case(
    title="an event loop that waits for thirty years",
    guest="import asyncio\nasyncio.run(asyncio.sleep(1e9))",
    options={"limits": Limits(deadline_seconds=0.3)},
    expect=stopped(),
    twin=Twin(
        options={},
        granted="ten milliseconds",
        guest="import asyncio\nprint(asyncio.run(asyncio.sleep(0.01, 'awake')))",
        expect=printed("awake\n"),
    ),
    runtimes=DEFAULT_RUNTIME_ONLY,
    because="the clock is the host's",
)
