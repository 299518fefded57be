import re

from hostile.case import Case, Twin, ended, printed

from wasihost import Limits, Outcome

CASE = Case(
    title="a warning for each line, without end",
    guest="""\
import warnings
warnings.simplefilter('always')
while True: warnings.warn('x' * 100)
""",
    options={"limits": Limits(output_bytes=10_000)},
    expect=ended(
        Outcome.OUTPUT_LIMIT,
        "the run wrote more than 10000 bytes to standard error",
        stderr=re.compile(r"(?s).*\[\.\.\. \d+ bytes omitted \.\.\.\].*"),
        omitted_bytes=None,
    ),
    twin=Twin(
        granted="warnings switched off",
        guest="""\
import warnings
warnings.simplefilter('ignore')
for _ in range(100): warnings.warn('x')
""",
        expect=printed(),
    ),
)
