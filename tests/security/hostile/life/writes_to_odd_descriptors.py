from hostile.case import EBADF, ENOTSUP, Case, Twin, gave

CASE = Case(
    title="writing to descriptors that are not its own: the input, preopens, the largest number",
    guest="""\
import os
answers = []
for fd in (0, 3, 40, 999, 2**31 - 1, -1):
    try:
        os.write(fd, b'x')
    except OSError as error:
        answers.append(error.errno)
answers
""",
    expect={
        "cpython-3.12": gave([EBADF, EBADF, ENOTSUP, EBADF, EBADF, EBADF]),
        "otherwise": gave([EBADF] * 6),
    },
    twin=Twin(granted="to standard output", guest="import os\nos.write(1, b'x')", expect=gave(1, stdout="x")),
)
