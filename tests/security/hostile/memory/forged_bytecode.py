from hostile.case import TRAPPED, Case, Twin, crashed, gave, printed

CASE = Case(
    title="bytecode of random bytes",
    guest="""\
def f(a=1): return a
f.__code__ = f.__code__.replace(co_code=bytes([71, 200, 13, 255, 2, 99, 114, 7] * 8))
try:
    f()
except BaseException:
    pass
""",
    expect={"cpython-3.15": printed(), "otherwise": crashed(TRAPPED, stderr=None)},
    twin=Twin(
        granted="the bytecode of another function",
        guest="""\
def f(): return 1
f.__code__ = (lambda: 7).__code__
f()
""",
        expect=gave(7),
    ),
)
