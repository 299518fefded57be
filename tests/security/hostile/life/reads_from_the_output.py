from hostile.case import EBADF, Case, Twin, gave, raised

CASE = Case(
    title="reading from standard output",
    guest="import os\nos.read(1, 1)",
    expect=raised("OSError", EBADF),
    twin=Twin(
        granted="from standard input",
        guest="import os\nos.read(0, 1).decode()",
        options={"stdin": b"x"},
        expect=gave("x"),
    ),
)
