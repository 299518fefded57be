from hostile.case import Case, Twin, gave

CASE = Case(
    title="the display hook replaced",
    guest="""\
import sys
sys.displayhook = None
5
""",
    expect=gave(5),
    twin=Twin(granted="the program without it", guest="5", expect=gave(5)),
)
