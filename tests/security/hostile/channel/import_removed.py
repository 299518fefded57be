from hostile.case import Case, Twin, gave

CASE = Case(
    title="the import function removed",
    guest="""\
import builtins
builtins.__import__ = None
5
""",
    expect=gave(5),
    twin=Twin(granted="the program without it", guest="5", expect=gave(5)),
)
