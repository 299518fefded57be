from hostile.case import NOT_GRANTED, Case, Twin, gave

CASE = Case(
    title="an open file of the host through /proc/self/fd",
    guest="open('/proc/self/fd/3')",
    grant="read",
    expect=NOT_GRANTED,
    twin=Twin(
        granted="standard input",
        guest="import sys\nsys.stdin.read()",
        options={"stdin": b"given"},
        expect=gave("given"),
    ),
)
