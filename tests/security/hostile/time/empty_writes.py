from hostile.case import DEFAULT_RUNTIME_ONLY, Case, Twin, printed, stopped

from wasihost import Limits

CASE = Case(
    title="writing nothing, without end",
    guest="import os\nwhile True: os.write(1, b'')",
    options={"limits": Limits(deadline_seconds=0.3)},
    expect=stopped(),
    twin=Twin(
        options={},
        granted="ten thousand times",
        guest="import os\nprint(sum(os.write(1, b'') for _ in range(10_000)))",
        expect=printed("0\n"),
    ),
    runtimes=DEFAULT_RUNTIME_ONLY,
    because="the clock is the host's",
)
