from hostile.case import Case, Twin, gave

CASE = Case(
    title="every list that the collector knows emptied",
    guest="""\
import gc
gc.disable()
for o in gc.get_objects():
  if isinstance(o, list): o.clear()
5
""",
    expect=gave(5),
    twin=Twin(granted="the program without it", guest="5", expect=gave(5)),
)
