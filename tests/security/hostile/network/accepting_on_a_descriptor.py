from hostile.case import Case, Twin, printed, raised

CASE = Case(
    title="accepting a connection on standard input",
    guest="import socket\nsocket.socket(2, 1, 0, fileno=0).accept()",
    expect=raised("OSError"),
    twin=Twin(
        granted="the bytes that the host fetched, as standard input",
        guest="import sys\nprint(sys.stdin.read())",
        options={"stdin": b"the page"},
        expect=printed("the page\n"),
    ),
)
