from hostile.case import Case, Twin, printed, raised

CASE = Case(
    title="importing ssl",
    guest="import ssl",
    expect=raised("ModuleNotFoundError"),
    twin=Twin(
        granted="the bytes that the host fetched, as standard input",
        guest="import sys\nprint(sys.stdin.read())",
        options={"stdin": b"the page"},
        expect=printed("the page\n"),
    ),
)
