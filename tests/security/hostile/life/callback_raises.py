import re

from hostile.case import SECRET, Case, Twin, ended, printed

from wasihost import Outcome


def fail(_data: bytes) -> None:
    raise ValueError(SECRET)


CASE = Case(
    title="a listener of the host raises: its message stays on the host, and the program does not go on",
    guest="""\
try: print('x', flush=True)
except BaseException: pass
while True: pass
""",
    options={"on_stdout": fail},
    expect=ended(
        Outcome.HOST_FAILED, "the host failed while serving the guest: ValueError", stdout=re.compile("(x\n)?")
    ),
    twin=Twin(granted="one that does not", guest="print('x')", options={"on_stdout": len}, expect=printed("x\n")),
)
