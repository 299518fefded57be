from hostile.case import Case, Refused, Twin, gave

from wasihost.errors import InvalidGrantError

CASE = Case(
    title="the host passes an input that would replace the builtins",
    guest="",
    options={"inputs": {"__builtins__": {}}},
    expect=Refused(InvalidGrantError, "is a name that Python keeps for itself"),
    twin=Twin(granted="an ordinary name", guest="x", options={"inputs": {"x": 1}}, expect=gave(1)),
)
