from hostile.case import Case, Refused, Twin, gave

from wasihost.errors import InvalidGrantError

CASE = Case(
    title="the host passes an input with a keyword for a name",
    guest="",
    options={"inputs": {"import": 1}},
    expect=Refused(InvalidGrantError, "is a keyword of Python"),
    twin=Twin(granted="an ordinary name", guest="x", options={"inputs": {"x": 1}}, expect=gave(1)),
)
