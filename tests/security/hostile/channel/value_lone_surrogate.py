from hostile.case import Case, Twin, gave
from hostile.harness import forged

CASE = Case(
    title="a lone surrogate in a value: it is text that cannot be encoded",
    guest=forged(b'{"exit_code": 0}', b'"\\ud800"'),
    expect=gave("\ud800"),
    twin=Twin(granted="an ordinary value", guest=forged(b'{"exit_code": 0}', b'{"a": 1}'), expect=gave({"a": 1})),
)
