import re

from hostile.case import Case, Twin, crashed, printed

CASE = Case(
    title="raising SIGTERM for itself",
    guest="import signal\nsignal.raise_signal(signal.SIGTERM)",
    expect=crashed(
        re.compile("unreachable code was reached.*"),
        stderr=re.compile("Program rec[ei]{2}ved termination signal: Terminated\n"),
    ),
    twin=Twin(
        granted="heard by a handler",
        guest="""\
import signal
signal.signal(15, lambda *_: print('heard'))
signal.raise_signal(15)
""",
        expect=printed("heard\n"),
    ),
)
