from hostile.case import ESPIPE, Case, Twin, gave, raised

CASE = Case(
    title="writing over what was already written to standard output",
    guest="""\
import os
print('seen', flush=True)
os.pwrite(1, b'x', 0)
""",
    expect=raised("OSError", ESPIPE, stdout="seen\n"),
    twin=Twin(
        granted="a file",
        guest="import os\nos.pwrite(os.open('/d/a.txt', os.O_RDWR), b'x', 0)",
        grant="write",
        expect=gave(1),
    ),
)
