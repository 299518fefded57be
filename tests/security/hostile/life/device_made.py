from hostile.case import Case, Twin, gave, raised

CASE = Case(
    title="making a FIFO in a writable folder",
    guest="import os\nos.mkfifo('/d/fifo')",
    grant="write",
    expect=raised("AttributeError"),
    twin=Twin(granted="a file", guest="open('/d/new', 'w').write('x')", expect=gave(1)),
)
