import re

from hostile.case import Case, Twin, crashed, gave

CASE = Case(
    title="the interpreter raises a segmentation fault of its own",
    guest="import faulthandler\nfaulthandler._sigsegv()",
    expect=crashed(re.compile("unreachable code was reached.*"), stderr=None),
    twin=Twin(
        granted="a traceback on demand", guest="import faulthandler\nfaulthandler.is_enabled()", expect=gave(False)
    ),
)
