from hostile.case import Case, Twin, printed, raised

from wasihost import Limits

CASE = Case(
    title="a compressed megabyte that becomes a gigabyte",
    guest="""\
import zlib
c = zlib.compressobj()
bomb = b''.join(c.compress(bytes(2**20)) for _ in range(100)) + c.flush()
zlib.decompress(bomb)
""",
    options={"limits": Limits(memory_bytes=64 * 2**20, deadline_seconds=30.0)},
    expect=raised("MemoryError"),
    twin=Twin(
        granted="one that becomes a megabyte",
        guest="import zlib\nprint(len(zlib.decompress(zlib.compress(bytes(2**20)))))",
        expect=printed("1048576\n"),
    ),
)
