from hostile.case import Case, Twin, crashed, gave, raised

from wasihost import Limits

CASE = Case(
    title="attribute look-ups that call themselves",
    guest="""\
class A:
  def __getattr__(self, name): return getattr(self, name + 'x')
A().x
""",
    options={"limits": Limits(deadline_seconds=30.0)},
    expect={"cpython-3.15": raised("RecursionError"), "otherwise": crashed("memory was accessed out of bounds")},
    twin=Twin(
        granted="few of them",
        guest="""\
class A:
  def __getattr__(self, name): return name
A().x
""",
        expect=gave("x"),
    ),
)
