from hostile.case import Case, Twin, printed, raised

CASE = Case(
    title="calling a procedure over XML-RPC",
    guest="import xmlrpc.client\nxmlrpc.client.ServerProxy('http://127.0.0.1/').x()",
    expect=raised("AttributeError"),
    twin=Twin(
        granted="the bytes that the host fetched, as standard input",
        guest="import sys\nprint(sys.stdin.read())",
        options={"stdin": b"the page"},
        expect=printed("the page\n"),
    ),
)
