from hostile.case import DEFAULT_RUNTIME_ONLY, Case, Twin, printed, stopped

from wasihost import Limits

CASE = Case(
    title="a regular expression that backtracks for ever",
    guest="import re\nre.match(r'(a+)+$', 'a' * 60 + 'b')",
    options={"limits": Limits(deadline_seconds=0.3)},
    expect=stopped(),
    twin=Twin(
        options={},
        granted="a text that matches",
        guest="import re\nprint(bool(re.match(r'(a+)+$', 'a' * 60)))",
        expect=printed("True\n"),
    ),
    runtimes=DEFAULT_RUNTIME_ONLY,
    because="the clock is the host's",
)
