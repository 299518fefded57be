from hostile.case import Case, Twin, gave

CASE = Case(
    title="a number whose text is something else: its number is taken",
    guest="""\
class I(int):
  def __repr__(self): return '[1'
  __str__ = __repr__
I(5)
""",
    expect=gave(5),
    twin=Twin(granted="an honest one", guest="int(5)", expect=gave(5)),
)
