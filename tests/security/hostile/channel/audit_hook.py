from hostile.case import Case, Twin, gave

CASE = Case(
    title="an audit hook left behind",
    guest="""\
import sys
sys.addaudithook(lambda *a: None)
5
""",
    expect=gave(5),
    twin=Twin(granted="the program without it", guest="5", expect=gave(5)),
)
