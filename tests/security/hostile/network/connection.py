from hostile.case import Case, Twin, printed, raised

CASE = Case(
    title="a connection by number to this machine",
    guest="import socket\nsocket.create_connection(('127.0.0.1', 80))",
    expect=raised("AttributeError"),
    twin=Twin(
        granted="the bytes that the host fetched, as standard input",
        guest="import sys\nprint(sys.stdin.read())",
        options={"stdin": b"the page"},
        expect=printed("the page\n"),
    ),
)
