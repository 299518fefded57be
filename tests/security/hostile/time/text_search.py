from hostile.case import DEFAULT_RUNTIME_ONLY, Case, Twin, printed, stopped

from wasihost import Limits

CASE = Case(
    title="a search in native code that is quadratic",
    guest="while True: ('a' * 10**6).count('a' * 5 * 10**5 + 'b')",
    options={"limits": Limits(deadline_seconds=0.3)},
    expect=stopped(),
    twin=Twin(options={}, granted="a short one", guest="print(('ab' * 1000).count('b'))", expect=printed("1000\n")),
    runtimes=DEFAULT_RUNTIME_ONLY,
    because="the clock is the host's",
)
