from hostile.case import Case, Twin, printed, raised

CASE = Case(
    title="sleeping for a time that no clock can say",
    guest="import time\ntime.sleep(1e300)",
    expect=raised("OverflowError"),
    twin=Twin(granted="not at all", guest="import time\ntime.sleep(0)", expect=printed()),
)
