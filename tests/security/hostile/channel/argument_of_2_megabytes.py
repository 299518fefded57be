from hostile.case import Case, Refused, Twin, gave

from wasihost.errors import InvalidGrantError

CASE = Case(
    title="the host passes arguments of two megabytes",
    guest="",
    options={"args": ["x" * 2**21]},
    expect=Refused(InvalidGrantError, "pass more through inputs or stdin"),
    twin=Twin(granted="as an input", guest="len(x)", options={"inputs": {"x": "x" * 2**21}}, expect=gave(2 * 2**20)),
)
