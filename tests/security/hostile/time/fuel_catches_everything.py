from hostile.case import Case, Twin, ended, printed

from wasihost import Limits, Outcome

CASE = Case(
    title="catching whatever comes when the instructions are used up",
    guest="""\
while True:
  try:
    while True: pass
  except BaseException: pass
  finally: pass
""",
    options={"limits": Limits(fuel=150_000_000)},
    expect=ended(Outcome.OUT_OF_FUEL, "the run used up its fuel of 150000000 instructions"),
    twin=Twin(
        granted="an exception of its own",
        guest="try: raise KeyboardInterrupt\nexcept BaseException: print('caught')",
        expect=printed("caught\n"),
    ),
)
