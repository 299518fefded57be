from hostile.case import Case, Twin, gave, survived_or_crashed

CASE = Case(
    title="a code object that claims to need no stack and loads what is not there",
    guest="""\
import types
code = (lambda: 0).__code__.replace(co_code=bytes([100, 255] * 50), co_stacksize=0, co_varnames=())
try:
    types.FunctionType(code, {})()
except BaseException:
    pass
""",
    expect=survived_or_crashed(),
    twin=Twin(
        granted="a true code object",
        guest="import types\ntypes.FunctionType((lambda: 7).__code__.replace(co_name='f'), {})()",
        expect=gave(7),
    ),
)
