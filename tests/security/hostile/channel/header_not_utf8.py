from hostile.case import Case, Twin, crashed, printed
from hostile.harness import NONSENSE, forged

CASE = Case(
    title="a header that is not UTF-8",
    guest=forged(b'{"exit_code": 0, "x": "\xff"}'),
    expect=crashed(NONSENSE),
    twin=Twin(granted="a sound reply", guest=forged(b'{"exit_code": 0}'), expect=printed()),
)
