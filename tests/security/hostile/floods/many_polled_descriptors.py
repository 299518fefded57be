from hostile.case import EINVAL, ENOTSUP, Case, Twin, gave, raised

CASE = Case(
    title="polling 1,025 descriptors at once, where the host takes 1,024",
    guest="""\
import select
p = select.poll()
for fd in range(1025): p.register(fd, select.POLLIN)
p.poll(0)
""",
    expect={"cpython-3.12": raised("OSError", ENOTSUP), "otherwise": raised("OSError", EINVAL)},
    twin=Twin(
        granted="three",
        guest="""\
import select
p = select.poll()
p.register(0, select.POLLIN)
len(p.poll(0))
""",
        expect=gave(1),
    ),
)
