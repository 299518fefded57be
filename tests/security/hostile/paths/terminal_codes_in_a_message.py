import re

from hostile.case import ENOENT, Case, Expect, Twin, printed

CASE = Case(
    title="terminal codes and newlines in a name that ends up in a message",
    guest="open('/d/\\x1b[31m\\n\\x07')",
    grant="read",
    expect=Expect(
        exit_code=1,
        error_type="FileNotFoundError",
        error_errno=ENOENT,
        stderr=re.compile(r"[\x20-\x7e\n]+"),
    ),
    twin=Twin(
        granted="a file of such a name",
        guest="print(open('/d/\\x1b[31m\\n\\x07').read())",
        prepare=lambda folder: (folder / "\x1b[31m\n\x07").write_text("odd") and None,
        expect=printed("odd\n"),
    ),
)
