from hostile.case import Case, Twin, crashed, printed
from hostile.harness import NO_REPLY, forged, pointing

CASE = Case(
    title="a reply of no bytes",
    guest=pointing(64, 0),
    expect=crashed(NO_REPLY),
    twin=Twin(granted="a sound reply", guest=forged(b'{"exit_code": 0}'), expect=printed()),
)
