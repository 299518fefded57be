from hostile.case import NOT_GRANTED, Case, Twin, printed

CASE = Case(
    title="an absolute path of the host",
    guest="open('/etc/passwd')",
    grant="read",
    expect=NOT_GRANTED,
    twin=Twin(
        granted="an absolute path within the grant", guest="print(open('/d/a.txt').read())", expect=printed("public\n")
    ),
)
