from hostile.case import Case, Twin, printed, raised

CASE = Case(
    title="opening an https URL, which this Python cannot speak",
    guest="import urllib.request\nurllib.request.urlopen('https://127.0.0.1/')",
    expect=raised("urllib.error.URLError"),
    twin=Twin(
        granted="the bytes that the host fetched, as standard input",
        guest="import sys\nprint(sys.stdin.read())",
        options={"stdin": b"the page"},
        expect=printed("the page\n"),
    ),
)
