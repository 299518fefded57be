from hostile.case import Case, Twin, raised

CASE = Case(
    title="an exception whose traceback is a megabyte long",
    guest="raise ValueError('x\\n' * 500_000)",
    expect=raised("ValueError"),
    twin=Twin(granted="a short one", guest="raise ValueError('x')", expect=raised("ValueError")),
)
