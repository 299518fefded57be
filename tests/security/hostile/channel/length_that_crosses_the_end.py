from hostile.case import Case, Twin, crashed, printed
from hostile.harness import NO_SUCH_MEMORY, forged, pointing

CASE = Case(
    title="a reply that begins in memory and ends outside",
    guest=pointing(2**31, 16777220),
    expect=crashed(NO_SUCH_MEMORY),
    twin=Twin(granted="a sound reply", guest=forged(b'{"exit_code": 0}'), expect=printed()),
)
