from hostile.case import Case, Twin, gave, raised

CASE = Case(
    title="the interpreter reads from address zero, where wasm has memory like anywhere else",
    guest="import faulthandler\nfaulthandler._read_null()",
    expect={"cpython-3.15": raised("AttributeError"), "otherwise": gave(0)},
    twin=Twin(granted="an array of its own", guest="import array\narray.array('B', b'x')[0]", expect=gave(120)),
)
