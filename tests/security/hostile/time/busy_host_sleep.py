import contextlib
from collections.abc import Iterator
from pathlib import Path

from hostile.case import DEFAULT_RUNTIME_ONLY, Case, Twin, printed, stopped
from hostile.furniture import meanwhile

from wasihost import Limits


@contextlib.contextmanager
def busy(folder: Path) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(meanwhile(lambda: sum(range(1000))))
        yield


CASE = Case(
    title="a sleep without end while four threads of the host keep Python's lock busy",
    guest="import time\ntime.sleep(1e9)",
    around=busy,
    options={"limits": Limits(deadline_seconds=0.3)},
    expect=stopped(),
    late_seconds=1.0,  # each step of the host waits for up to four slices of 5 ms, and there are some dozens
    twin=Twin(
        options={},
        granted="a short sleep",
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
