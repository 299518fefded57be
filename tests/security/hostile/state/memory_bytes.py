from hostile.case import Case, Then, Twin, gave, printed

CASE = Case(
    title="left for the next run: a text in memory, which the next program looks for in all that it can allocate",
    guest="kept = [bytes('the planted words %d' % n, 'ascii') * 4 for n in range(100_000)]",
    expect=printed(),
    then=Then(
        """\
import gc
found = any(isinstance(o, bytes) and b'the planted wor' + b'ds' in o for o in gc.get_objects())
blocks = [bytearray(2**20) for _ in range(64)]
[found, any(block.count(0) < len(block) for block in blocks)]
""",
        gave([False, False]),
    ),
    twin=Twin(
        granted="within the same run it is found",
        guest="kept = b'the planted words'\nb'planted' in kept",
        expect=gave(True),
    ),
)
