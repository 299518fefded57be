from hostile.case import ENOTSOCK, Case, Twin, printed, raised

CASE = Case(
    title="taking standard input for a connected socket",
    guest="import socket\nsocket.socket(fileno=0)",
    expect=raised("OSError", ENOTSOCK),
    twin=Twin(
        granted="the bytes that the host fetched, as standard input",
        guest="import sys\nprint(sys.stdin.read())",
        options={"stdin": b"the page"},
        expect=printed("the page\n"),
    ),
)
