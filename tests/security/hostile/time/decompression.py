from hostile.case import DEFAULT_RUNTIME_ONLY, Case, Twin, printed, stopped

from wasihost import Limits

CASE = Case(
    title="decompressing what grows a thousandfold, without end",
    guest="""\
import zlib
bomb = zlib.compress(bytes(10**7))
while True: zlib.decompress(bomb)
""",
    options={"limits": Limits(deadline_seconds=0.3)},
    expect=stopped(),
    twin=Twin(
        options={},
        granted="a hundred kilobytes",
        guest="import zlib\nprint(len(zlib.decompress(zlib.compress(bytes(10**5)))))",
        expect=printed("100000\n"),
    ),
    runtimes=DEFAULT_RUNTIME_ONLY,
    because="the clock is the host's",
)
