from hostile.case import Case, Twin, gave

CASE = Case(
    title="trace and profile functions left behind",
    guest="""\
import sys
sys.settrace(lambda *a: None)
sys.setprofile(lambda *a: None)
5
""",
    expect=gave(5),
    twin=Twin(granted="the program without it", guest="5", expect=gave(5)),
)
