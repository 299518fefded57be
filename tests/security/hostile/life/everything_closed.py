from hostile.case import Case, Expect, Twin, printed

CASE = Case(
    title="closing every descriptor, then printing",
    guest="""\
import os
for fd in range(41):
    try:
        os.close(fd)
    except OSError:
        pass
print(1)
""",
    grant="read",
    expect=Expect(exit_code=120),
    twin=Twin(granted="closing none", guest="print(1)", expect=printed("1\n")),
)
