from hostile.case import ENOTDIR, Case, Twin, printed, raised

CASE = Case(
    title="`..` after a file, which some path cleaners drop together with the file",
    guest="open('/d/a.txt/../a.txt')",
    grant="read",
    expect=raised("NotADirectoryError", ENOTDIR),
    twin=Twin(
        granted="`..` after a folder", guest="print(open('/d/empty/../a.txt').read())", expect=printed("public\n")
    ),
)
