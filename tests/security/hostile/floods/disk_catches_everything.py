from hostile.case import Case, Twin, ended, printed

from wasihost import Limits, Outcome

CASE = Case(
    title="catching whatever comes when the disk is full, in order to go on",
    guest="""\
while True:
  try:
    with open('/d/new', 'ab', buffering=0) as file: file.write(bytes(4096))
  except BaseException: pass
""",
    grant="write",
    options={"limits": Limits(disk_bytes=2**16)},
    expect=ended(Outcome.DISK_LIMIT, "the run stored more than 65536 bytes in its writable directories"),
    twin=Twin(
        granted="a file that is written again, where that fits",
        guest="for _ in range(8):\n  with open('/d/new', 'wb', buffering=0) as file: file.write(bytes(4096))",
        expect=printed(),
    ),
)
