from hostile.case import Case, Twin, gave, raised

CASE = Case(
    title="loading a native library",
    guest="import ctypes\nctypes.CDLL(None)",
    expect={"cpython-3.15": raised("OSError"), "otherwise": raised("ModuleNotFoundError")},
    twin=Twin(granted="packing bytes", guest="import struct\nstruct.pack('<I', 1).hex()", expect=gave("01000000")),
)
