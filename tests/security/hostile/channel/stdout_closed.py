from hostile.case import Case, Twin, gave

CASE = Case(
    title="standard output closed",
    guest="""\
import sys
sys.stdout.close()
5
""",
    expect=gave(5),
    twin=Twin(granted="the program without it", guest="5", expect=gave(5)),
)
