from hostile.case import Case, Twin, gave
from hostile.harness import forged

CASE = Case(
    title="`__class__` and `__proto__` as keys: they are data",
    guest=forged(b'{"exit_code": 0}', b'{"__class__": "x", "__proto__": 1}'),
    expect=gave({"__class__": "x", "__proto__": 1}),
    twin=Twin(granted="an ordinary value", guest=forged(b'{"exit_code": 0}', b'{"a": 1}'), expect=gave({"a": 1})),
)
