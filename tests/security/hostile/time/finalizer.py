from hostile.case import DEFAULT_RUNTIME_ONLY, Case, Twin, printed, stopped

from wasihost import Limits

CASE = Case(
    title="a finalizer without end, after the end of the program",
    guest="""\
class A:
  def __del__(self):
    while True: pass
a = A()
""",
    options={"limits": Limits(deadline_seconds=0.3)},
    expect=stopped(),
    twin=Twin(
        options={},
        granted="one that ends",
        guest="""\
class A:
  def __del__(self): print('dead')
a = A()
""",
        expect=printed("dead\n"),
    ),
    runtimes=DEFAULT_RUNTIME_ONLY,
    because="the clock is the host's",
)
