from hostile.case import Case, Twin, ended, gave
from hostile.granted import GRANTED

from wasihost import Limits, Outcome

_CALLS = """
import host
made = 0
while CONDITION:
    try: host.look_up('a')
    except host.HostFunctionError: pass
    made += 1
made
"""

CASE = Case(
    title="calling functions of the host for ever, whatever they answer",
    guest=_CALLS.replace("CONDITION", "True"),
    options={**GRANTED, "limits": Limits(host_calls=500, deadline_seconds=30.0)},
    expect=ended(Outcome.HOST_CALL_LIMIT, "the run made more than 500 calls to the host"),
    twin=Twin(granted="some calls", guest=_CALLS.replace("CONDITION", "made < 400"), expect=gave(400)),
)
