from hostile.case import Case, Refused, Twin, printed

from wasihost import Limits
from wasihost.errors import InvalidLimitsError

CASE = Case(
    title="the host asks for a deadline that is not finite",
    guest="",
    prepare=lambda folder: {"limits": Limits(deadline_seconds=float("inf"))},
    expect=Refused(InvalidLimitsError, "deadline_seconds must be a finite number of seconds"),
    twin=Twin(
        options={},
        granted="a week",
        guest="print(1)",
        prepare=lambda folder: {"limits": Limits(deadline_seconds=7 * 24 * 3600.0)},
        expect=printed("1\n"),
    ),
)
