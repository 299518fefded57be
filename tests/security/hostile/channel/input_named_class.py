from hostile.case import Case, Refused, Twin, gave

from wasihost.errors import InvalidGrantError

CASE = Case(
    title="the host passes an input named `__class__`",
    guest="",
    options={"inputs": {"__class__": 1}},
    expect=Refused(InvalidGrantError, "is a name that Python keeps for itself"),
    twin=Twin(granted="an ordinary name", guest="x", options={"inputs": {"x": 1}}, expect=gave(1)),
)
