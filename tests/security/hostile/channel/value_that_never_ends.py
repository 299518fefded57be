from hostile.case import Case, Twin, gave, stopped

from wasihost import Limits

CASE = Case(
    title="a dict whose items never end",
    guest="""\
class D(dict):
  def items(self):
    while True: pass
D(x=1)
""",
    options={"limits": Limits(deadline_seconds=0.5)},
    expect=stopped(),
    twin=Twin(granted="an ordinary dict", guest="dict(x=1)", expect=gave({"x": 1})),
)
