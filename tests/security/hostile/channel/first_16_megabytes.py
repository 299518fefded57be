from hostile.case import Case, Twin, crashed, printed
from hostile.harness import NONSENSE, forged, pointing

CASE = Case(
    title="the first 16 MiB of the interpreter's memory as a reply",
    guest=pointing(0, 16777220),
    expect=crashed(NONSENSE),
    twin=Twin(granted="a sound reply", guest=forged(b'{"exit_code": 0}'), expect=printed()),
)
