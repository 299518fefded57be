from hostile.case import Case, Twin, printed, raised

CASE = Case(
    title="a NUL in a name, to cut off an ending",
    guest="open('/d/a.txt\\0.png')",
    grant="read",
    expect=raised("ValueError"),
    twin=Twin(granted="no NUL", guest="print(open('/d/a.txt').read())", expect=printed("public\n")),
)
