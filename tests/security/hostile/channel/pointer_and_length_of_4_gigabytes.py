from hostile.case import Case, Twin, crashed, printed
from hostile.harness import forged, pointing

CASE = Case(
    title="a reply with the largest address and the largest length",
    guest=pointing(0xFFFFFFFF, 2**32 - 1),
    expect=crashed("the interpreter's reply is longer than 16777220 bytes"),
    twin=Twin(granted="a sound reply", guest=forged(b'{"exit_code": 0}'), expect=printed()),
)
