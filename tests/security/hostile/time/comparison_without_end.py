from hostile.case import DEFAULT_RUNTIME_ONLY, Case, Twin, printed, stopped

from wasihost import Limits

CASE = Case(
    title="two structures that contain themselves, compared",
    guest="""\
class A:
  def __eq__(self, other):
    while True: pass
[A()] == [A()]
""",
    options={"limits": Limits(deadline_seconds=0.3)},
    expect=stopped(),
    twin=Twin(options={}, granted="two that do not", guest="print([1, [2]] == [1, [2]])", expect=printed("True\n")),
    runtimes=DEFAULT_RUNTIME_ONLY,
    because="the clock is the host's",
)
