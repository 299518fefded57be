from hostile.case import Case, Refused, Twin, gave

from wasihost.errors import InvalidGrantError

CASE = Case(
    title="the host passes an input with code for a name",
    guest="",
    options={"inputs": {"x = 1; y": 1}},
    expect=Refused(InvalidGrantError, "cannot be the name of a variable"),
    twin=Twin(granted="an ordinary name", guest="x", options={"inputs": {"x": 1}}, expect=gave(1)),
)
