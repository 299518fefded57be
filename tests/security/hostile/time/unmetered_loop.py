from hostile.case import DEFAULT_RUNTIME_ONLY, Case, Twin, printed, stopped

from wasihost import UNMETERED, Limits

CASE = Case(
    title="a loop without end where instructions are not counted",
    guest="while True: pass",
    options={"limits": Limits(fuel=UNMETERED, deadline_seconds=0.3)},
    expect=stopped(),
    twin=Twin(granted="a program that ends", guest="print(1)", expect=printed("1\n")),
    runtimes=DEFAULT_RUNTIME_ONLY,
    because="the clock is the host's",
)
