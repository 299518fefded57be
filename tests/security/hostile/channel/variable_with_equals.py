from hostile.case import Case, Refused, Twin, gave

from wasihost.errors import InvalidGrantError

CASE = Case(
    title="the host passes a variable whose name holds an equals sign",
    guest="",
    options={"env": {"A=B": "c"}},
    expect=Refused(InvalidGrantError, "must not contain"),
    twin=Twin(
        granted="an ordinary name",
        guest="import os\nos.environ['A']",
        options={"env": {"A": "b=c"}},
        expect=gave("b=c"),
    ),
)
