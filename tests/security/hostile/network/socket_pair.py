from hostile.case import ENOTSUP, Case, Twin, printed, raised

CASE = Case(
    title="a pair of sockets",
    guest="import socket\nsocket.socketpair()",
    expect=raised("OSError", ENOTSUP),
    twin=Twin(
        granted="the bytes that the host fetched, as standard input",
        guest="import sys\nprint(sys.stdin.read())",
        options={"stdin": b"the page"},
        expect=printed("the page\n"),
    ),
)
