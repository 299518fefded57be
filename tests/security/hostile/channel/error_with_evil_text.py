from hostile.case import Case, Twin, raised

CASE = Case(
    title="an exception that raises when it is shown",
    guest="""\
class E(Exception):
  def __str__(self): raise SystemExit(3)
raise E
""",
    expect=raised("E"),
    twin=Twin(granted="an ordinary one", guest="raise ValueError('x')", expect=raised("ValueError")),
)
