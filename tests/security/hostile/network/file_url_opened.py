from hostile.case import Case, Twin, printed, raised

CASE = Case(
    title="opening a file URL of the host",
    guest="import urllib.request\nurllib.request.urlopen('file:///etc/passwd')",
    expect=raised("urllib.error.URLError"),
    twin=Twin(
        granted="a granted folder",
        guest="import urllib.request\nprint(urllib.request.urlopen('file:///d/a.txt').read().decode())",
        grant="read",
        expect=printed("public\n"),
    ),
)
