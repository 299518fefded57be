import re

from hostile.case import EINVAL, Case, Twin, crashed, gave, raised

CASE = Case(
    title="polling 5,000 descriptors, more than fit on the stack of one of the builds",
    guest="""\
import select
p = select.poll()
for fd in range(5000): p.register(fd, select.POLLIN)
p.poll(0)
""",
    expect={
        "cpython-3.12": crashed(re.compile(r"a pointer to the host made no sense \(environ_sizes_get at write size.*")),
        "otherwise": raised("OSError", EINVAL),
    },
    twin=Twin(
        granted="three",
        guest="""\
import select
p = select.poll()
p.register(1, select.POLLOUT)
len(p.poll(0))
""",
        expect=gave(1),
    ),
)
