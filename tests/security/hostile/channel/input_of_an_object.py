from hostile.case import Case, Refused, Twin, gave

from wasihost.errors import InvalidGrantError

CASE = Case(
    title="the host passes an object as an input",
    guest="",
    options={"inputs": {"x": object()}},
    expect=Refused(InvalidGrantError, "which is not a JSON value"),
    twin=Twin(granted="what JSON can say", guest="x", options={"inputs": {"x": [1.5, "y"]}}, expect=gave([1.5, "y"])),
)
