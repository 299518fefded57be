from hostile.case import Case, Twin, gave

CASE = Case(
    title="sys.modules cleared",
    guest="""\
import sys
sys.modules.clear()
5
""",
    expect=gave(5),
    twin=Twin(granted="the program without it", guest="5", expect=gave(5)),
)
