from hostile.case import EMFILE, Case, Twin, printed, raised

from wasihost import Limits

CASE = Case(
    title="any open file at all, where none is allowed",
    guest="print(open('/d/a.txt').read())",
    grant="read",
    options={"limits": Limits(open_files=0)},
    expect=raised("OSError", EMFILE),
    twin=Twin(granted="one", options={"limits": Limits(open_files=1)}, expect=printed("public\n")),
)
