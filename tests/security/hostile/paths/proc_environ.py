from hostile.case import NOT_GRANTED, Case, Twin, gave

CASE = Case(
    title="the environment of the host through /proc",
    guest="open('/proc/self/environ')",
    grant="read",
    expect=NOT_GRANTED,
    twin=Twin(
        granted="a variable",
        guest="import os\nos.environ['A']",
        options={"env": {"A": "given"}},
        expect=gave("given"),
    ),
)
