from hostile.case import Case, Refused, Twin, gave

from wasihost import Preopen
from wasihost.errors import InvalidPreopenError

CASE = Case(
    title="the host grants /dev",
    guest="",
    options={"preopens": [Preopen("/dev", "/d", writable=True)]},
    expect=Refused(InvalidPreopenError, "/dev, which is the kernel's and never granted"),
    twin=Twin(
        granted="an ordinary folder",
        guest="open('/d/a.txt', 'a').write('x')",
        options={},
        grant="write",
        expect=gave(1),
    ),
)
