from hostile.case import Case, Twin, printed, raised

CASE = Case(
    title="a Unix socket, to talk to a service of the host",
    guest="import socket\nsocket.socket(socket.AF_UNIX)",
    expect=raised("AttributeError"),
    twin=Twin(
        granted="the bytes that the host fetched, as standard input",
        guest="import sys\nprint(sys.stdin.read())",
        options={"stdin": b"the page"},
        expect=printed("the page\n"),
    ),
)
