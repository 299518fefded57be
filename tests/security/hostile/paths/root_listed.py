from hostile.case import NOT_GRANTED, Case, Twin, gave

CASE = Case(
    title="listing the root",
    guest="import os\nos.listdir('/')",
    grant="read",
    expect=NOT_GRANTED,
    twin=Twin(granted="listing the granted folder", guest="import os\nlen(os.listdir('/d'))", expect=gave(12)),
)
