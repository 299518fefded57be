from hostile.case import Case, Twin, crashed, gave, raised

CASE = Case(
    title="recursion through native code after lifting Python's own limit",
    guest="""\
import sys
sys.setrecursionlimit(10**9)
class A:
  def __repr__(self): return repr(self)
repr(A())
""",
    expect={"cpython-3.15": raised("RecursionError"), "otherwise": crashed("memory was accessed out of bounds")},
    twin=Twin(
        granted="a limit that is reached first",
        guest="""\
import sys
sys.setrecursionlimit(500)
def f(n): return n and f(n - 1)
f(400)
""",
        expect=gave(0),
    ),
)
