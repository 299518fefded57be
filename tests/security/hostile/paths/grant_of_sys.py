from hostile.case import Case, Refused, Twin, printed

from wasihost import Preopen
from wasihost.errors import InvalidPreopenError

CASE = Case(
    title="the host grants a folder in /sys",
    guest="",
    options={"preopens": [Preopen("/sys/kernel", "/d")]},
    expect=Refused(InvalidPreopenError, "/sys, which is the kernel's and never granted"),
    twin=Twin(
        granted="an ordinary folder",
        guest="print(open('/d/a.txt').read())",
        options={},
        grant="read",
        expect=printed("public\n"),
    ),
)
