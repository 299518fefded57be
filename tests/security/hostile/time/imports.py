from hostile.case import DEFAULT_RUNTIME_ONLY, Case, Twin, printed, stopped

from wasihost import Limits

CASE = Case(
    title="importing and forgetting a module without end",
    guest="""\
import sys
while True:
  import colorsys
  del sys.modules['colorsys']
""",
    options={"limits": Limits(deadline_seconds=0.3)},
    expect=stopped(),
    twin=Twin(
        options={}, granted="once", guest="import colorsys\nprint(colorsys.__name__)", expect=printed("colorsys\n")
    ),
    runtimes=DEFAULT_RUNTIME_ONLY,
    because="the clock is the host's",
)
