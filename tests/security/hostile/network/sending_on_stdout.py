import re

from hostile.case import Case, Twin, ended, gave

from wasihost import Outcome

CASE = Case(
    title="sending on standard output as if it were a socket: it is output, and bounded",
    guest="""\
import socket
s = socket.socket(2, 1, 0, fileno=1)
while True: s.send(b'x' * 99)
""",
    expect=ended(
        Outcome.OUTPUT_LIMIT,
        "the run wrote more than 1048576 bytes to standard output",
        stdout=re.compile(r"x{524288}\n\[\.\.\. 32 bytes omitted \.\.\.\]\nx{524288}"),
        omitted_bytes=32,
    ),
    twin=Twin(
        granted="sending a little",
        guest="""\
import socket
s = socket.socket(2, 1, 0, fileno=1)
n = s.send(b'sent')
s.detach()
n
""",
        expect=gave(4, stdout="sent"),
    ),
)
