from hostile.case import Case, Refused, Twin, gave

from wasihost.errors import InvalidGrantError

CASE = Case(
    title="the host passes an argument with a NUL",
    guest="",
    options={"args": ["a\0b"]},
    expect=Refused(InvalidGrantError, "contains a NUL character"),
    twin=Twin(granted="one without", guest="import sys\nsys.argv[1:]", options={"args": ["a"]}, expect=gave(["a"])),
)
