from hostile.case import Case, Twin, printed

CASE = Case(
    title="a value whose representation exits: no value, and no exit",
    guest="""\
class A:
  def __repr__(self): raise SystemExit(3)
A()
""",
    expect=printed(),
    twin=Twin(granted="leaving by oneself", guest="raise SystemExit(3)", expect=printed(exit_code=3)),
)
