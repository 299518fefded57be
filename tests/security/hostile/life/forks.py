from hostile.case import Case, Twin, gave, raised

CASE = Case(
    title="forking",
    guest="import os\nos.fork()",
    expect=raised("AttributeError"),
    twin=Twin(
        granted="there is one process, and its number is always the same",
        guest="import os\nos.getpid()",
        expect=gave(42),
    ),
)
