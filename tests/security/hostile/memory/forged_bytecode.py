from hostile.case import Case, Twin, gave, survived_or_crashed

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
    expect=survived_or_crashed(),
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
