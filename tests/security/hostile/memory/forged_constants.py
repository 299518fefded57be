from hostile.case import Case, Twin, gave, survived_or_crashed

CASE = Case(
    title="a code object whose constants are fewer than it loads",
    guest="""\
def f(): return [1000, 2000, 'x', 3000.5]
f.__code__ = f.__code__.replace(co_consts=())
try:
    f()
except BaseException:
    pass
""",
    expect=survived_or_crashed(),
    twin=Twin(
        granted="other constants, as many",
        guest="""\
def f(): return 1000
f.__code__ = f.__code__.replace(co_consts=tuple(7 if c == 1000 else c for c in f.__code__.co_consts))
f()
""",
        expect=gave(7),
    ),
)
