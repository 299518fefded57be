import re

from hostile.case import Case, Twin, ended, printed

from wasihost import Limits, Outcome

CASE = Case(
    title="standard error without end, where that ends the run",
    guest="import sys\nwhile True: print('x' * 99, file=sys.stderr)",
    options={"limits": Limits(output_bytes=10_000)},
    expect=ended(
        Outcome.OUTPUT_LIMIT,
        "the run wrote more than 10000 bytes to standard error",
        stderr=re.compile(r"[x\n]{5000}\n\[\.\.\. \d+ bytes omitted \.\.\.\]\n[x\n]{5000}"),
        omitted_bytes=None,
    ),
    twin=Twin(
        granted="as much as is allowed",
        guest="import sys\nfor _ in range(100): print('x' * 99, file=sys.stderr)",
        expect=printed(stderr=("x" * 99 + "\n") * 100),
    ),
)
