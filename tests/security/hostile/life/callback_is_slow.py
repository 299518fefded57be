import time

from hostile.case import DEFAULT_RUNTIME_ONLY, Case, Twin, printed, stopped

from wasihost import Limits


def wait(_data: bytes) -> None:
    time.sleep(0.4)


CASE = Case(
    title="a listener of the host comes back after the deadline",
    guest="print('a')\nprint('b')",
    options={"on_stdout": wait, "limits": Limits(deadline_seconds=0.3)},
    expect=stopped("a\n"),
    twin=Twin(granted="one that is quick", options={"on_stdout": len}, expect=printed("a\nb\n")),
    runtimes=DEFAULT_RUNTIME_ONLY,
    because="the clock is the host's",
    late_seconds=0.15,  # of which the listener itself takes 0.1
)
