from hostile.case import Case, Twin, gave, printed

CASE = Case(
    title="every byte there is, and what looks like UTF-8 and is not: kept as bytes, shown with replacements",
    guest="""\
import os
raw = bytes(range(256)) + b'\\xff\\xfe\\xc3'
os.write(1, raw)
os.write(2, raw)
""",
    expect=gave(
        259,
        stdout=(bytes(range(256)) + b"\xff\xfe\xc3").decode("utf-8", "replace"),
        stderr=(bytes(range(256)) + b"\xff\xfe\xc3").decode("utf-8", "replace"),
    ),
    twin=Twin(granted="text", guest="print('\\u20ac')", expect=printed("\u20ac\n")),
)
