from hostile.case import Case, Twin, raised

CASE = Case(
    title="an exception whose class has a name of a megabyte: its first 1,024 characters are passed on",
    guest="raise type('a' * 10**6, (Exception,), {})",
    expect=raised("a" * 1024),
    twin=Twin(granted="a short name", guest="raise type('Mine', (Exception,), {})", expect=raised("Mine")),
)
