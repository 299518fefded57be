from hostile.case import ENOTSUP, Case, Twin, printed, raised

CASE = Case(
    title="a server of the standard library",
    guest="import socketserver\nsocketserver.TCPServer(('', 0), None)",
    expect=raised("OSError", ENOTSUP),
    twin=Twin(
        granted="the bytes that the host fetched, as standard input",
        guest="import sys\nprint(sys.stdin.read())",
        options={"stdin": b"the page"},
        expect=printed("the page\n"),
    ),
)
