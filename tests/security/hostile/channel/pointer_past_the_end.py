from hostile.case import Case, Twin, crashed, printed
from hostile.harness import NO_SUCH_MEMORY, forged, pointing

CASE = Case(
    title="a reply whose address lies past the end of memory",
    guest=pointing(0xFFFFFFF0, 100),
    expect=crashed(NO_SUCH_MEMORY),
    twin=Twin(granted="a sound reply", guest=forged(b'{"exit_code": 0}'), expect=printed()),
)
