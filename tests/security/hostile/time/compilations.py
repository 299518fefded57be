from hostile.case import DEFAULT_RUNTIME_ONLY, Case, Twin, printed, stopped

from wasihost import Limits

CASE = Case(
    title="compiling without end",
    guest="while True: compile('x = 1\\n' * 1000, '', 'exec')",
    options={"limits": Limits(deadline_seconds=0.3)},
    expect=stopped(),
    twin=Twin(options={}, granted="once", guest="exec(compile('print(7)', '', 'exec'))", expect=printed("7\n")),
    runtimes=DEFAULT_RUNTIME_ONLY,
    because="the clock is the host's",
)
