from hostile.case import ENOTSUP, Case, Twin, printed, raised

CASE = Case(
    title="a TCP socket",
    guest="import socket\nsocket.socket(socket.AF_INET, socket.SOCK_STREAM)",
    expect=raised("OSError", ENOTSUP),
    twin=Twin(
        granted="the bytes that the host fetched, as standard input",
        guest="import sys\nprint(sys.stdin.read())",
        options={"stdin": b"the page"},
        expect=printed("the page\n"),
    ),
)
