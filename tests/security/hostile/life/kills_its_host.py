from hostile.case import Case, Twin, printed, raised

CASE = Case(
    title="killing another process",
    guest="import os\nos.kill(1, 9)",
    expect=raised("AttributeError"),
    twin=Twin(granted="ending itself", guest="import os\nos._exit(9)", expect=printed(exit_code=9)),
)
