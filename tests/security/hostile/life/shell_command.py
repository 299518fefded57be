from hostile.case import Case, Twin, gave, raised

CASE = Case(
    title="a shell command",
    guest="import os\nos.system('id')",
    expect=raised("AttributeError"),
    twin=Twin(granted="the same in Python", guest="import platform\nplatform.system() != ''", expect=gave(True)),
)
