from hostile.case import DEFAULT_RUNTIME_ONLY, Case, Twin, printed, stopped

from wasihost import Limits

CASE = Case(
    title="catching whatever comes, in order to go on",
    guest="""\
while True:
  try:
    while True: pass
  except BaseException: pass
  finally: pass
""",
    options={"limits": Limits(deadline_seconds=0.3)},
    expect=stopped(),
    twin=Twin(
        options={},
        granted="an exception of its own",
        guest="try: raise KeyboardInterrupt\nexcept BaseException: print('caught')",
        expect=printed("caught\n"),
    ),
    runtimes=DEFAULT_RUNTIME_ONLY,
    because="the clock is the host's",
)
