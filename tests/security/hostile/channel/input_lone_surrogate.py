from hostile.case import Case, Refused, Twin, gave

from wasihost.errors import InvalidGrantError

CASE = Case(
    title="the host passes a lone surrogate in an input",
    guest="",
    options={"inputs": {"x": "\ud800"}},
    expect=Refused(InvalidGrantError, "is not valid Unicode"),
    twin=Twin(granted="what JSON can say", guest="x", options={"inputs": {"x": [1.5, "y"]}}, expect=gave([1.5, "y"])),
)
