from hostile.case import Case, Twin, crashed, gave
from hostile.harness import NONSENSE, forged

CASE = Case(
    title="a value of 5,000 digits",
    guest=forged(b'{"exit_code": 0}', b"9" * 5000),
    expect=crashed(NONSENSE),
    twin=Twin(
        granted="a sound value", guest=forged(b'{"exit_code": 0}', b'[1, {"a": null}]'), expect=gave([1, {"a": None}])
    ),
)
