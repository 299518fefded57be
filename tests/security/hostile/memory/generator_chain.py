from hostile.case import Case, Twin, crashed, gave, raised

CASE = Case(
    title="a million generators that delegate to each other",
    guest="""\
def g(n):
  if n: yield from g(n - 1)
list(g(10**6))
""",
    expect={"cpython-3.11": crashed("memory was accessed out of bounds"), "otherwise": raised("RecursionError")},
    twin=Twin(
        granted="ten of them",
        guest="""\
def g(n):
  if n: yield from g(n - 1)
list(g(10))
""",
        expect=gave([]),
    ),
)
