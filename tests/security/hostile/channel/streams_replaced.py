from hostile.case import Case, Twin, gave

CASE = Case(
    title="standard streams replaced by a number",
    guest="""\
import sys
sys.stdout = sys.stderr = 5
5
""",
    expect=gave(5),
    twin=Twin(granted="the program without it", guest="5", expect=gave(5)),
)
