from hostile.case import DEFAULT_RUNTIME_ONLY, Case, Twin, printed, stopped

from wasihost import Limits

CASE = Case(
    title="waiting for nothing with select",
    guest="import select\nselect.select([], [], [], 1e6)",
    options={"limits": Limits(deadline_seconds=0.3)},
    expect=stopped(),
    twin=Twin(
        options={},
        granted="ten milliseconds",
        guest="import select\nprint(select.select([], [], [], 0.01))",
        expect=printed("([], [], [])\n"),
    ),
    runtimes=DEFAULT_RUNTIME_ONLY,
    because="the clock is the host's",
)
