from hostile.case import NOT_GRANTED, Case, Twin, printed

CASE = Case(
    title="the name of an unused place for a grant in the image",
    guest="open('/@slot-01/../secret.txt')",
    grant="read",
    expect=NOT_GRANTED,
    twin=Twin(granted="the name of the grant", guest="print(open('/d/a.txt').read())", expect=printed("public\n")),
)
