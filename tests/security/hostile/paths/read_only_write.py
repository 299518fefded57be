from hostile.case import EBADF, Case, Twin, gave, raised

CASE = Case(
    title="read-only: writing through a descriptor opened for reading",
    guest="import os\nos.write(os.open('/d/a.txt', os.O_RDONLY), b'x')",
    grant="read",
    expect=raised("OSError", EBADF),
    twin=Twin(
        granted="the folder, writable, and a descriptor opened for writing",
        guest="import os\nos.write(os.open('/d/a.txt', os.O_WRONLY), b'x')",
        grant="write",
        expect=gave(1),
    ),
)
