from hostile.case import Case, Twin, crashed, gave

CASE = Case(
    title="an audit hook that raises at everything",
    guest="""\
import sys
def f(*a): raise RuntimeError
sys.addaudithook(f)
5
""",
    expect=crashed("the program left the interpreter broken"),
    twin=Twin(granted="the program without it", guest="5", expect=gave(5)),
)
