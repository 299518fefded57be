from hostile.case import Case, Twin, gave, raised

CASE = Case(
    title="a pickle that announces a string of four gigabytes",
    guest="import pickle\npickle.loads(b'\\x80\\x04X\\xff\\xff\\xff\\xff')",
    expect=raised("OverflowError"),
    twin=Twin(granted="a sound pickle", guest="import pickle\npickle.loads(pickle.dumps('x'))", expect=gave("x")),
)
