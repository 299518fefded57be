import re

from hostile.case import Case, Twin, crashed, printed

CASE = Case(
    title="leaving with the status by which shells say that a signal ended a process",
    guest="import os\nos._exit(137)",
    expect=printed(exit_code=137),
    twin=Twin(
        granted="a real end by signal has another outcome",
        guest="import signal\nsignal.raise_signal(9)",
        expect=crashed(
            re.compile("unreachable code was reached.*"),
            stderr=re.compile("Program rec[ei]{2}ved termination signal: Killed\n"),
        ),
    ),
)
