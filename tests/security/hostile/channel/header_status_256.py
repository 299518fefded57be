from hostile.case import Case, Twin, crashed, printed
from hostile.harness import BROKEN, forged

CASE = Case(
    title="a status of 256",
    guest=forged(b'{"exit_code": 256}'),
    expect=crashed(BROKEN),
    twin=Twin(granted="a sound reply", guest=forged(b'{"exit_code": 0}'), expect=printed()),
)
