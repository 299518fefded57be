from hostile.case import Case, Twin, gave, raised
from hostile.granted import GRANTED, WITH_ERASE

CASE = Case(
    title="importing a function of the host that was not granted",
    guest="from host import erase\nerase('all')",
    options=GRANTED,
    expect=raised("ModuleNotFoundError"),
    twin=Twin(granted="the function", options=WITH_ERASE, expect=gave("all is gone")),
)
