from hostile.case import Case, Twin, printed, raised

CASE = Case(
    title="an HTTP request",
    guest="import http.client\nhttp.client.HTTPConnection('127.0.0.1').request('GET', '/')",
    expect=raised("AttributeError"),
    twin=Twin(
        granted="the bytes that the host fetched, as standard input",
        guest="import sys\nprint(sys.stdin.read())",
        options={"stdin": b"the page"},
        expect=printed("the page\n"),
    ),
)
