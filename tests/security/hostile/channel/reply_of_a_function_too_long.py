from hostile.case import Case, Twin, gave
from hostile.granted import GRANTED

_CALL = (
    "import host\ntry: said = len(host.look_up('word', TOP))\n"
    "except host.HostFunctionError as error: said = [error.type, error.message]\nsaid"
)

CASE = Case(
    title="making a function of the host answer with more than a reply may have",
    guest=_CALL.replace("TOP", "1_000_000"),
    options=GRANTED,
    expect=gave(["ReplyError", "the reply is longer than 4096 bytes"]),
    twin=Twin(granted="an answer that fits", guest=_CALL.replace("TOP", "500"), expect=gave(500)),
)
