import zlib

from hostile.case import Case, Twin, gave, raised

from wasihost import Limits

CASE = Case(
    title="an input of 40 MB for a program that reads it all into 64 MiB of memory",
    guest="import sys\nlen(sys.stdin.buffer.read())",
    options={"limits": Limits(memory_bytes=64 * 2**20), "stdin": b"x" * 40_000_000},
    expect=raised("MemoryError"),
    twin=Twin(
        granted="memory for it",
        guest="""\
import sys, zlib
data = sys.stdin.buffer.read()
[len(data), zlib.crc32(data)]
""",
        options={"stdin": bytes(range(256)) * 2**16},
        expect=gave([2**24, zlib.crc32(bytes(range(256)) * 2**16)]),
    ),
)
