from hostile.case import Case, Twin, crashed, printed
from hostile.harness import NONSENSE, forged

CASE = Case(
    title="a header of 60,000 opening brackets",
    guest=forged(b"[" * 60_000),
    expect=crashed(NONSENSE),
    twin=Twin(granted="a sound reply", guest=forged(b'{"exit_code": 0}'), expect=printed()),
)
