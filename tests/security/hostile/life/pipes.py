from hostile.case import Case, Twin, gave, raised

CASE = Case(
    title="a pipe",
    guest="import os\nos.pipe()",
    expect=raised("AttributeError"),
    twin=Twin(granted="a buffer", guest="import io\nio.BytesIO(b'x').read().decode()", expect=gave("x")),
)
