from hostile.case import Case, Twin, ended, gave

from wasihost import Limits, Outcome

CASE = Case(
    title="more calls of the host than are allowed",
    guest="import os\nwhile True: os.write(1, b'')",
    options={"limits": Limits(host_calls=1000)},
    expect=ended(Outcome.HOST_CALL_LIMIT, "the run made more than 1000 calls to the host"),
    twin=Twin(granted="few of them", guest="import os\nsum(os.write(1, b'') for _ in range(900))", expect=gave(0)),
)
