from hostile.case import Case, Twin, raised

CASE = Case(
    title="an exception with ten megabytes of text",
    guest="raise ValueError('x' * 10**7)",
    expect=raised("ValueError"),
    twin=Twin(granted="a short one", guest="raise ValueError('x')", expect=raised("ValueError")),
)
