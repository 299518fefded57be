from hostile.case import Case, Twin, crashed, gave
from hostile.harness import NONSENSE, forged

CASE = Case(
    title="a value that is cut off",
    guest=forged(b'{"exit_code": 0}', b"[1,"),
    expect=crashed(NONSENSE),
    twin=Twin(
        granted="a sound value", guest=forged(b'{"exit_code": 0}', b'[1, {"a": null}]'), expect=gave([1, {"a": None}])
    ),
)
