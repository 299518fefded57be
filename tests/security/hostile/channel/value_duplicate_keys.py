from hostile.case import Case, Twin, gave
from hostile.harness import forged

CASE = Case(
    title="a key that is there twice: the last one holds",
    guest=forged(b'{"exit_code": 0}', b'{"a": 1, "a": 2}'),
    expect=gave({"a": 2}),
    twin=Twin(granted="an ordinary value", guest=forged(b'{"exit_code": 0}', b'{"a": 1}'), expect=gave({"a": 1})),
)
