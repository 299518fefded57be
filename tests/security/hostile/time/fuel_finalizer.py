from hostile.case import Case, Twin, ended, printed

from wasihost import Limits, Outcome

CASE = Case(
    title="a finalizer without end, against the count of instructions",
    guest="""\
class A:
  def __del__(self):
    while True: pass
a = A()
""",
    options={"limits": Limits(fuel=150_000_000)},
    expect=ended(Outcome.OUT_OF_FUEL, "the run used up its fuel of 150000000 instructions"),
    twin=Twin(
        granted="one that ends",
        guest="""\
class A:
  def __del__(self): print('dead')
a = A()
""",
        expect=printed("dead\n"),
    ),
)
