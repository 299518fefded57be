from hostile.case import Case, Twin, printed, raised

CASE = Case(
    title="an FTP session",
    guest="import ftplib\nftplib.FTP('127.0.0.1')",
    expect=raised("AttributeError"),
    twin=Twin(
        granted="the bytes that the host fetched, as standard input",
        guest="import sys\nprint(sys.stdin.read())",
        options={"stdin": b"the page"},
        expect=printed("the page\n"),
    ),
)
