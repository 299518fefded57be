import re

from hostile.case import Case, Twin, ended, gave

from wasihost import Limits, Outcome

CASE = Case(
    title="one byte more than is allowed",
    guest="import os\nos.write(1, b'x' * 12346)",
    options={"limits": Limits(output_bytes=12345)},
    expect=ended(
        Outcome.OUTPUT_LIMIT,
        "the run wrote more than 12345 bytes to standard output",
        stdout=re.compile(r"x+\n\[\.\.\. 1 bytes? omitted \.\.\.\]\nx+"),
        omitted_bytes=1,
    ),
    twin=Twin(
        granted="what is allowed, to the byte",
        guest="import os\nos.write(1, b'x' * 12345)",
        expect=gave(12345, stdout="x" * 12345),
    ),
)
