from hostile.case import Case, Twin, crashed, printed
from hostile.harness import NONSENSE, forged

CASE = Case(
    title="a status of 20,000 lists inside each other",
    guest=forged(b'{"exit_code": ' + b"[" * 20_000 + b"]" * 20_000 + b"}"),
    expect=crashed(NONSENSE),
    twin=Twin(granted="a sound reply", guest=forged(b'{"exit_code": 0}'), expect=printed()),
)
