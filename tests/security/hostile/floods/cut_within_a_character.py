from hostile.case import Case, Twin, printed

from wasihost import Limits

CASE = Case(
    title="characters of three bytes, cut where a cut would split one",
    guest="print('\\u20ac' * 10_000, end='')",
    options={"limits": Limits(output_bytes=1000, output_overflow="truncate")},
    expect=printed("\u20ac" * 166 + "\n[... 29004 bytes omitted ...]\n" + "\u20ac" * 166, omitted_bytes=29004),
    twin=Twin(granted="as many as fit", guest="print('\\u20ac' * 333, end='')", expect=printed("\u20ac" * 333)),
)
