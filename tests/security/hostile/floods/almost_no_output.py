from hostile.case import Case, Twin, ended, printed

from wasihost import Limits, Outcome

CASE = Case(
    title="five bytes of output, where three are allowed",
    guest="print('four', flush=True)",
    options={"limits": Limits(output_bytes=3)},
    expect=ended(
        Outcome.OUTPUT_LIMIT,
        "the run wrote more than 3 bytes to standard output",
        stdout="fo\n[... 2 bytes omitted ...]\n\n",
        omitted_bytes=2,
    ),
    twin=Twin(granted="three bytes", guest="print('no', flush=True)", expect=printed("no\n")),
)
