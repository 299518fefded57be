from hostile.case import Case, Twin, gave
from hostile.granted import GRANTED

_CALLS = """
import host
made = 0
try:
    for _ in range(COUNT):
        host.look_up('a')
        made += 1
except host.HostFunctionError as error:
    made = [made, error.type]
made
"""

CASE = Case(
    title="more calls of functions of the host than a program may make",
    guest=_CALLS.replace("COUNT", "1000"),
    options=GRANTED,
    expect=gave([300, "CallLimitError"]),
    twin=Twin(granted="as many as it may", guest=_CALLS.replace("COUNT", "300"), expect=gave(300)),
)
