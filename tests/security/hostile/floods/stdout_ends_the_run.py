import re

from hostile.case import Case, Twin, ended, printed

from wasihost import Limits, Outcome

CASE = Case(
    title="standard output without end, where that ends the run",
    guest="while True: print('x' * 99)",
    options={"limits": Limits(output_bytes=10_000)},
    expect=ended(
        Outcome.OUTPUT_LIMIT,
        "the run wrote more than 10000 bytes to standard output",
        stdout=re.compile(r"[x\n]{5000}\n\[\.\.\. \d+ bytes omitted \.\.\.\]\n[x\n]{5000}"),
        omitted_bytes=None,
    ),
    twin=Twin(
        granted="as much as is allowed",
        guest="for _ in range(100): print('x' * 99)",
        expect=printed(("x" * 99 + "\n") * 100),
    ),
)
