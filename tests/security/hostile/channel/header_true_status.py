from hostile.case import Case, Twin, printed
from hostile.harness import forged

CASE = Case(
    title="a status that is true, which is 1 in Python",
    guest=forged(b'{"exit_code": true}'),
    expect=printed(exit_code=1),
    twin=Twin(granted="a sound reply", guest=forged(b'{"exit_code": 0}'), expect=printed()),
)
