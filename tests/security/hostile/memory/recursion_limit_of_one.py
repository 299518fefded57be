from hostile.case import Case, Twin, gave, raised

CASE = Case(
    title="a recursion limit so low that nothing can be called",
    guest="import sys\nsys.setrecursionlimit(1)",
    expect=raised("RecursionError"),
    twin=Twin(
        granted="a higher one",
        guest="""\
import sys
sys.setrecursionlimit(300)
sys.getrecursionlimit()
""",
        expect=gave(300),
    ),
)
