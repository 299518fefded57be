from hostile.case import Case, Twin, gave, printed

from wasihost import Limits

CASE = Case(
    title="closing what was never opened, to be allowed more: it gives back no more than what really ends",
    guest="""\
import os
kept = [os.open('/d/a.txt', os.O_RDONLY) for _ in range(5)]
for fd in set(range(41, 2000)) - set(kept):
    try:
        os.close(fd)
    except OSError:
        pass
count = 0
try:
    while True:
        os.open('/d/a.txt', os.O_RDONLY)
        count += 1
except OSError:
    pass
count <= 5
""",
    grant="read",
    options={"limits": Limits(open_files=10)},
    expect=gave(True),
    twin=Twin(
        granted="closing what was opened",
        guest="import os\nfor _ in range(30): os.close(os.open('/d/a.txt', os.O_RDONLY))",
        expect=printed(),
    ),
)
