from hostile.case import EBADF, Case, Twin, printed, raised

CASE = Case(
    title="cutting standard output, to hide what was written",
    guest="""\
import os
print('seen', flush=True)
os.ftruncate(1, 0)
""",
    expect=raised("OSError", EBADF, stdout="seen\n"),
    twin=Twin(granted="a file", guest="import os\nos.truncate('/d/a.txt', 0)", grant="write", expect=printed()),
)
