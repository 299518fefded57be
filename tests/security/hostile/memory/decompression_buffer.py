from hostile.case import Case, Twin, printed, raised

from wasihost import Limits

CASE = Case(
    title="a decompressor told to begin with a huge buffer",
    guest="import zlib\nzlib.decompress(zlib.compress(b'x'), bufsize=2**30)",
    options={"limits": Limits(memory_bytes=64 * 2**20, deadline_seconds=30.0)},
    expect=raised("MemoryError"),
    twin=Twin(
        granted="a small one",
        guest="import zlib\nprint(zlib.decompress(zlib.compress(b'x'), bufsize=2**10))",
        expect=printed("b'x'\n"),
    ),
)
