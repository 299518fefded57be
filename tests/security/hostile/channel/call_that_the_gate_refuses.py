from hostile.case import Case, Twin, gave, raised
from hostile.granted import GRANTED

CASE = Case(
    title="a call that the gate does not let through",
    guest="import host\nhost.look_up('a long word')",
    options=GRANTED,
    expect=raised("host.HostFunctionError"),
    twin=Twin(granted="one that it does", guest="import host\nhost.look_up('a word')", expect=gave(["a word"])),
)
