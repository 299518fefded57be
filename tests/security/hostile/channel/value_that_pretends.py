from hostile.case import Case, Twin, gave

CASE = Case(
    title="a dict that shows other items than it has: whatever it shows, it is data",
    guest="""\
class D(dict):
  def items(self): return [('__class__', 'os.system')]
D(x=1)
""",
    expect=gave({"__class__": "os.system"}),
    twin=Twin(granted="an ordinary dict", guest="{'__class__': 'x'}", expect=gave({"__class__": "x"})),
)
