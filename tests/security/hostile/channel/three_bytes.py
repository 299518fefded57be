from hostile.case import Case, Twin, crashed, printed
from hostile.harness import NONSENSE, forged, pointing

CASE = Case(
    title="a reply too short for its own length",
    guest=pointing(0, 3),
    expect=crashed(NONSENSE),
    twin=Twin(granted="a sound reply", guest=forged(b'{"exit_code": 0}'), expect=printed()),
)
