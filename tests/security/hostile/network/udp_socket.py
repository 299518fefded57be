from hostile.case import ENOTSUP, Case, Twin, printed, raised

CASE = Case(
    title="a UDP socket, for questions to a name server",
    guest="import socket\nsocket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
    expect=raised("OSError", ENOTSUP),
    twin=Twin(
        granted="the bytes that the host fetched, as standard input",
        guest="import sys\nprint(sys.stdin.read())",
        options={"stdin": b"the page"},
        expect=printed("the page\n"),
    ),
)
