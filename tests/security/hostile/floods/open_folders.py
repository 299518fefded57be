from hostile.case import EMFILE, Case, Twin, printed, raised

CASE = Case(
    title="folders left open without end, which count as files",
    guest="""\
import os
kept = []
while True:
  it = os.scandir('/d')
  next(it)
  kept.append(it)
""",
    grant="read",
    expect=raised("OSError", EMFILE),
    twin=Twin(
        granted="one after the other", guest="import os\nfor _ in range(300): os.listdir('/d')", expect=printed()
    ),
)
