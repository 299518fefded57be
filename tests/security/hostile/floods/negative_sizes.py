from hostile.case import Case, Twin, gave, raised

CASE = Case(
    title="minus one random bytes",
    guest="import os\nos.urandom(-1)",
    expect=raised("ValueError"),
    twin=Twin(granted="none", guest="import os\nlen(os.urandom(0))", expect=gave(0)),
)
