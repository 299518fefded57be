from hostile.case import Case, Expect, Twin, gave

CASE = Case(
    title="closing every descriptor, then listing a granted folder",
    guest="""\
import os
for fd in range(41):
    try:
        os.close(fd)
    except OSError:
        pass
os.listdir('/d')
""",
    grant="read",
    expect=Expect(exit_code=1, error_type="OSError", stderr=None),
    twin=Twin(
        granted="a value needs no descriptor",
        guest="""\
import os
for fd in range(41):
  try: os.close(fd)
  except OSError: pass
6 * 7
""",
        expect=gave(42),
    ),
)
