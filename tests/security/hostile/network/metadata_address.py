from hostile.case import Case, Twin, printed, raised

CASE = Case(
    title="the metadata address of clouds",
    guest="import http.client\nhttp.client.HTTPConnection('169.254.169.254').request('GET', '/latest/meta-data/')",
    expect=raised("AttributeError"),
    twin=Twin(
        granted="the bytes that the host fetched, as standard input",
        guest="import sys\nprint(sys.stdin.read())",
        options={"stdin": b"the page"},
        expect=printed("the page\n"),
    ),
)
