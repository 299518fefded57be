from hostile.case import Case, Twin, printed, raised

CASE = Case(
    title="replacing itself by a program of the host",
    guest="import os\nos.execv('/bin/sh', ['sh'])",
    expect=raised("AttributeError"),
    twin=Twin(granted="running code", guest="exec('print(7)')", expect=printed("7\n")),
)
