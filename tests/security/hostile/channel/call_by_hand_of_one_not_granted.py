from hostile.case import Case, Twin, gave, raised
from hostile.granted import GRANTED, WITH_ERASE
from hostile.harness import HARNESS

CASE = Case(
    title="calling a function of the host that was not granted, by a message of its own",
    guest=HARNESS + "g['call_now']('erase', ('all',), {})",
    options=GRANTED,
    expect=raised("host.HostFunctionError"),
    twin=Twin(granted="the function", options=WITH_ERASE, expect=gave("all is gone")),
)
