from hostile.case import Case, Refused, Twin, gave

from wasihost.errors import InvalidGrantError

CASE = Case(
    title="the host passes an integer of ten million digits as an input",
    guest="",
    options={"inputs": {"x": 1 << 33_219_281}},
    expect=Refused(InvalidGrantError, "is an integer of more than"),
    twin=Twin(granted="what JSON can say", guest="x", options={"inputs": {"x": [1.5, "y"]}}, expect=gave([1.5, "y"])),
)
