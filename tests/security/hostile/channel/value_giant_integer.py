from hostile.case import Case, Twin, gave
from hostile.harness import forged

CASE = Case(
    title="a value of 5,000 digits, which is no value",
    guest=forged(b'{"exit_code": 0}', b"9" * 5000),
    expect=gave(None),
    twin=Twin(
        granted="a sound value", guest=forged(b'{"exit_code": 0}', b'[1, {"a": null}]'), expect=gave([1, {"a": None}])
    ),
)
