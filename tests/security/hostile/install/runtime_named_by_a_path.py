from hostile.case import Case, Refused, Twin, printed

from wasihost.errors import UnknownRuntimeError

CASE = Case(
    title="a runtime whose name is a path out of the folder of manifests",
    guest="",
    options={"runtime": "../../../../etc/passwd"},
    expect=Refused(UnknownRuntimeError, "there is no runtime"),
    twin=Twin(granted="a name", guest="print(1)", options={}, expect=printed("1\n")),
)
