from hostile.case import Case, Refused, Twin, printed

from wasihost import Preopen
from wasihost.errors import InvalidPreopenError

CASE = Case(
    title="the host grants /proc",
    guest="",
    options={"preopens": [Preopen("/proc", "/d")]},
    expect=Refused(InvalidPreopenError, "/proc, which is the kernel's and never granted"),
    twin=Twin(
        granted="an ordinary folder",
        guest="print(open('/d/a.txt').read())",
        options={},
        grant="read",
        expect=printed("public\n"),
    ),
)
