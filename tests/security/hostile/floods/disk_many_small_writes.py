from hostile.case import Case, Twin, ended, printed

from wasihost import Limits, Outcome

CASE = Case(
    title="appending a byte at a time, without end",
    guest="""\
import os
fd = os.open('/d/new', os.O_CREAT | os.O_WRONLY | os.O_APPEND)
while True: os.write(fd, b'x')
""",
    grant="write",
    options={"limits": Limits(disk_bytes=1000)},
    expect=ended(Outcome.DISK_LIMIT, "the run stored more than 1000 bytes in its writable directories"),
    twin=Twin(
        granted="a thousand bytes",
        guest="""\
import os
fd = os.open('/d/new', os.O_CREAT | os.O_WRONLY | os.O_APPEND)
for _ in range(1000): os.write(fd, b'x')
""",
        expect=printed(),
    ),
)
