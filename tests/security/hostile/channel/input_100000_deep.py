import functools

from hostile.case import Case, Refused, Twin, gave

from wasihost.errors import InvalidGrantError

CASE = Case(
    title="the host passes 100,000 lists inside each other as an input",
    guest="",
    options={"inputs": {"x": functools.reduce(lambda inner, _: [inner], range(100_000), [])}},
    expect=Refused(InvalidGrantError, "is nested more than"),
    twin=Twin(granted="what JSON can say", guest="x", options={"inputs": {"x": [1.5, "y"]}}, expect=gave([1.5, "y"])),
)
