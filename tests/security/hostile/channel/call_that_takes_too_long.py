from hostile.case import Case, Twin, gave, raised
from hostile.granted import GRANTED

CASE = Case(
    title="a function of the host that takes longer than a call may",
    guest="import host\nhost.wait(0.6)",
    options=GRANTED,
    expect=raised("host.HostFunctionError"),
    twin=Twin(granted="one in time", guest="import host\nhost.wait(0.0)", expect=gave("done")),
)
