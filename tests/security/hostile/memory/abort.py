import re

from hostile.case import Case, Twin, crashed, printed

CASE = Case(
    title="the interpreter aborts itself",
    guest="import os\nos.abort()",
    expect=crashed(re.compile("unreachable code was reached.*"), stderr=None),
    twin=Twin(granted="leaving at once", guest="import os\nos._exit(3)", expect=printed(exit_code=3)),
)
