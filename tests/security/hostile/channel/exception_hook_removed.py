from hostile.case import Case, Twin, gave

CASE = Case(
    title="the exception hook removed",
    guest="""\
import sys
del sys.excepthook
5
""",
    expect=gave(5),
    twin=Twin(granted="the program without it", guest="5", expect=gave(5)),
)
