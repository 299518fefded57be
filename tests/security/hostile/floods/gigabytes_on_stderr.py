from hostile.case import Case, Twin, gave, printed

from wasihost import Limits

CASE = Case(
    title="two gigabytes on standard error, of which 1,000 bytes are kept and the rest is counted",
    guest="""\
import os
x = b'x' * 2**26
for _ in range(32): os.write(2, x)
""",
    options={"limits": Limits(output_bytes=1000, output_overflow="truncate", deadline_seconds=60.0)},
    expect=printed(
        stderr="x" * 500 + "\n[... 2147482648 bytes omitted ...]\n" + "x" * 500,
        omitted_bytes=2**31 - 1000,
    ),
    twin=Twin(granted="1,000 bytes", guest="import os\nos.write(2, b'x' * 1000)", expect=gave(1000, stderr="x" * 1000)),
)
