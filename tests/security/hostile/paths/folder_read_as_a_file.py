from hostile.case import EISDIR, Case, Twin, printed, raised

CASE = Case(
    title="the granted folder itself, opened as a file",
    guest="open('/d')",
    grant="read",
    expect=raised("IsADirectoryError", EISDIR),
    twin=Twin(granted="a file in it", guest="print(open('/d/a.txt').read())", expect=printed("public\n")),
)
