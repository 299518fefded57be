from hostile.case import ENOTSUP, Case, Twin, printed, raised

CASE = Case(
    title="a server",
    guest="import socket\nsocket.create_server(('', 8080))",
    expect=raised("OSError", ENOTSUP),
    twin=Twin(
        granted="the bytes that the host fetched, as standard input",
        guest="import sys\nprint(sys.stdin.read())",
        options={"stdin": b"the page"},
        expect=printed("the page\n"),
    ),
)
