from hostile.case import Case, Twin, crashed, gave
from hostile.harness import NONSENSE, forged, forged_by

CASE = Case(
    title="a value longer than the host takes, forged past the check inside",
    guest=forged_by("(16).to_bytes(4, 'little') + b'{\"exit_code\": 0}' + b' ' * 8388608 + b'1'"),
    expect=crashed(NONSENSE),
    twin=Twin(
        granted="one within the bound",
        guest=forged(b'{"exit_code": 0}', b'"' + b"x" * 100_000 + b'"'),
        expect=gave("x" * 100_000),
    ),
)
