from hostile.case import Case, Twin, crashed, printed
from hostile.harness import BROKEN, forged

CASE = Case(
    title="a program that says itself that it left the interpreter broken",
    guest=forged(b'{"exit_code": 0, "broken": true}'),
    expect=crashed(BROKEN),
    twin=Twin(granted="one that says it did not", guest=forged(b'{"exit_code": 0, "broken": false}'), expect=printed()),
)
