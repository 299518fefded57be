from hostile.case import Case, Refused, Twin, printed

from wasihost import Preopen
from wasihost.errors import InvalidPreopenError

CASE = Case(
    title="the host grants its root folder",
    guest="",
    options={"preopens": [Preopen("/", "/d")]},
    expect=Refused(InvalidPreopenError, "this is the root folder of the machine; grant a folder below it"),
    twin=Twin(
        granted="a folder below it",
        guest="print(open('/d/a.txt').read())",
        options={},
        grant="read",
        expect=printed("public\n"),
    ),
)
