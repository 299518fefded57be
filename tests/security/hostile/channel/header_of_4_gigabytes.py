from hostile.case import Case, Twin, crashed, printed
from hostile.harness import NONSENSE, forged

CASE = Case(
    title="a header that claims 4,294,967,295 bytes and has 16",
    guest=forged(b'{"exit_code": 0}', size=4294967295),
    expect=crashed(NONSENSE),
    twin=Twin(granted="a sound reply", guest=forged(b'{"exit_code": 0}'), expect=printed()),
)
