from hostile.case import Case, Refused, Twin, gave

from wasihost.errors import InvalidGrantError

CASE = Case(
    title="the host passes a view of memory as input",
    guest="",
    options={"stdin": memoryview(b"x")},
    expect=Refused(InvalidGrantError, "stdin must be bytes"),
    twin=Twin(granted="bytes", guest="import sys\nsys.stdin.read()", options={"stdin": b"x"}, expect=gave("x")),
)
