from hostile.case import Case, Twin, gave, raised

CASE = Case(
    title="marshal data that refers to objects which were never made",
    guest="import marshal\nmarshal.loads(b'r\\xff\\xff\\xff\\x7f')",
    expect=raised("ValueError"),
    twin=Twin(granted="sound data", guest="import marshal\nmarshal.loads(marshal.dumps([7]))", expect=gave([7])),
)
