from hostile.case import Case, Twin, crashed, printed
from hostile.harness import NO_SUCH_MEMORY, forged, pointing

CASE = Case(
    title="a reply at the last byte of the address space",
    guest=pointing(0xFFFFFFFF, 1),
    expect=crashed(NO_SUCH_MEMORY),
    twin=Twin(granted="a sound reply", guest=forged(b'{"exit_code": 0}'), expect=printed()),
)
