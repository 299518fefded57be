from hostile.case import TRAPPED, Case, Twin, crashed, gave

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
    expect=crashed(TRAPPED, stderr=None),
    twin=Twin(
        granted="a true code object",
        guest="import types\ntypes.FunctionType((lambda: 7).__code__.replace(co_name='f'), {})()",
        expect=gave(7),
    ),
    runtimes=("cpython-3.15", "cpython-3.12"),
    because="the 3.11 build survives it or not, by the bytes that an image happens to have there",
)
