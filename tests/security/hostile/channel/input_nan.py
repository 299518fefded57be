from hostile.case import Case, Refused, Twin, gave

from wasihost.errors import InvalidGrantError

CASE = Case(
    title="the host passes NaN as an input",
    guest="",
    options={"inputs": {"x": float("nan")}},
    expect=Refused(InvalidGrantError, "JSON has no such number"),
    twin=Twin(granted="what JSON can say", guest="x", options={"inputs": {"x": [1.5, "y"]}}, expect=gave([1.5, "y"])),
)
