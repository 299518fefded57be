from hostile.case import DEFAULT_RUNTIME_ONLY, Case, Twin, printed, stopped

from wasihost import Limits

CASE = Case(
    title="sleeping in small pieces, without end, whatever is raised",
    guest="""\
import time
while True:
  try: time.sleep(0.01)
  except BaseException: pass
""",
    options={"limits": Limits(deadline_seconds=0.3)},
    expect=stopped(),
    twin=Twin(
        options={},
        granted="three pieces",
        guest="""\
import time
for _ in range(3): time.sleep(0.001)
print('done')
""",
        expect=printed("done\n"),
    ),
    runtimes=DEFAULT_RUNTIME_ONLY,
    because="the clock is the host's",
)
