from hostile.case import Case, Refused, Twin, printed

from wasihost.errors import UnknownRuntimeError

CASE = Case(
    title="a runtime that does not exist: the message lists those that do",
    guest="",
    options={"runtime": "cpython-2.7"},
    expect=Refused(UnknownRuntimeError, "cpython-3.15"),
    twin=Twin(granted="one that does", guest="print(1)", options={}, expect=printed("1\n")),
)
