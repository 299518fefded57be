from hostile.case import Case, Twin, printed, stopped

from wasihost import Limits

CASE = Case(
    title="output that was not flushed when the deadline came",
    guest="print('kept', end='')\nwhile True: pass",
    options={"limits": Limits(deadline_seconds=0.3)},
    expect=stopped("kept"),
    twin=Twin(options={}, granted="a program that ends", guest="print('kept', end='')", expect=printed("kept")),
)
