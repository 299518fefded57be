from hostile.case import Case, Twin, printed

CASE = Case(
    title="leaving with a negative status",
    guest="import os\nos._exit(-1)",
    expect=printed(exit_code=255),
    twin=Twin(granted="a status of success", guest="import os\nos._exit(0)", expect=printed()),
)
