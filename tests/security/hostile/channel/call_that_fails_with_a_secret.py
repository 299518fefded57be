from hostile.case import Case, Twin, printed
from hostile.granted import GRANTED

_CALL = (
    "import host\ntry: host.fail(openly=OPENLY)\nexcept host.HostFunctionError as error: print(error.args, vars(error))"
)

CASE = Case(
    title="a function of the host that raises with the secret in its message",
    guest=_CALL.replace("OPENLY", "False"),
    options=GRANTED,
    expect=printed("('FileNotFoundError', '') {'type': 'FileNotFoundError', 'message': ''}\n"),
    twin=Twin(
        granted="a message that is meant for guests",
        guest=_CALL.replace("OPENLY", "True"),
        expect=printed(
            "('GuestVisibleError', 'try again later') {'type': 'GuestVisibleError', 'message': 'try again later'}\n"
        ),
    ),
)
