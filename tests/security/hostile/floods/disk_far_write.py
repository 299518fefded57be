from hostile.case import EFBIG, Case, Twin, gave, raised

from wasihost import Limits

CASE = Case(
    title="one byte written a terabyte away from the beginning, which stores one byte",
    guest="import os\nos.pwrite(os.open('/d/new', os.O_CREAT | os.O_RDWR), b'x', 2**40)",
    grant="write",
    options={"limits": Limits(disk_bytes=2**20)},
    expect={"process": raised("OSError", EFBIG), "in-process": gave(1)},
    twin=Twin(
        granted="half a megabyte away",
        guest="import os\nos.pwrite(os.open('/d/new', os.O_CREAT | os.O_RDWR), b'x', 2**19)",
        expect=gave(1),
    ),
)
