from hostile.case import Case, Twin, gave

CASE = Case(
    title="the harness looked for through the collector, to change its functions",
    guest="""\
import gc
for o in gc.get_objects():
  if isinstance(o, dict) and 'give_reply' in o: o['encode_value'] = None
5
""",
    expect=gave(5),
    twin=Twin(granted="the program without it", guest="5", expect=gave(5)),
)
