from hostile.case import TRAPPED, Case, Twin, crashed, gave

from wasihost import Limits

CASE = Case(
    title="marshalled code with a changed byte in each place, one after the other, executed",
    guest="""\
import marshal
data = marshal.dumps(compile('x = [i for i in range(3)]', '', 'exec'))
for at in range(0, len(data), 3):
    changed = bytearray(data)
    changed[at] ^= 0x41
    try:
        exec(marshal.loads(changed))
    except BaseException:
        pass
""",
    options={"limits": Limits(fuel=300_000_000, deadline_seconds=20.0)},
    expect=crashed(TRAPPED, stderr=None),
    twin=Twin(
        granted="the data as it was",
        guest="""\
import marshal
exec(marshal.loads(marshal.dumps(compile('x = 7', '', 'exec'))))
x
""",
        expect=gave(7),
    ),
)
