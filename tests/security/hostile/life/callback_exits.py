import re

from hostile.case import SECRET, Case, Twin, ended, printed

from wasihost import Outcome


def leave(_data: bytes) -> None:
    raise SystemExit(SECRET)


CASE = Case(
    title="a listener of the host raises SystemExit",
    guest="""\
import sys
print('x', file=sys.stderr, flush=True)
while True: pass
""",
    options={"on_stderr": leave},
    expect=ended(
        Outcome.HOST_FAILED, "the host failed while serving the guest: SystemExit", stderr=re.compile("(x\n)?")
    ),
    twin=Twin(
        granted="one that does not",
        guest="import sys\nprint('x', file=sys.stderr)",
        options={"on_stderr": len},
        expect=printed(stderr="x\n"),
    ),
    containments=("in-process",),
    because="with workers the listener runs on the thread of its caller, where SystemExit and Ctrl-C go on their way",
)
