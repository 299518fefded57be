from hostile.case import DEFAULT_RUNTIME_ONLY, Case, Twin, printed, stopped

from wasihost import Limits

DIG = """\
import os
here = os.open('/d', os.O_RDONLY)
for _ in range({}):
    os.mkdir('a', dir_fd=here)
    below = os.open('a', os.O_RDONLY, dir_fd=here)
    os.close(here)
    here = below
"""

CASE = Case(
    title="folders inside each other without end, deeper than any path is long",
    guest=DIG.format("10**9"),
    grant="write",
    options={"limits": Limits(deadline_seconds=0.5)},
    expect=stopped(),
    twin=Twin(granted="a hundred of them", guest=DIG.format(100), expect=printed()),
    runtimes=DEFAULT_RUNTIME_ONLY,
    because="the clock is the host's",
)
