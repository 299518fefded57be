from hostile.case import Case, Twin, printed, raised

CASE = Case(
    title="asking for the address of a name",
    guest="import socket\nsocket.getaddrinfo('localhost', 80)",
    expect=raised("AttributeError"),
    twin=Twin(
        granted="the bytes that the host fetched, as standard input",
        guest="import sys\nprint(sys.stdin.read())",
        options={"stdin": b"the page"},
        expect=printed("the page\n"),
    ),
)
