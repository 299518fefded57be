from hostile.case import ENAMETOOLONG, Case, Twin, printed, raised

CASE = Case(
    title="a path of 6,000 bytes",
    guest="open('/d/' + 'x/' * 3000)",
    grant="read",
    expect=raised("OSError", ENAMETOOLONG),
    twin=Twin(
        granted="a path of 2,000 bytes that exists",
        guest="print(open('/d/' + './' * 1000 + 'a.txt').read())",
        expect=printed("public\n"),
    ),
)
