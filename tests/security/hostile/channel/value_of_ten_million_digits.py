from hostile.case import Case, Twin, gave
from hostile.harness import forged, forged_by

CASE = Case(
    title="an integer of ten million digits as a value, which is none",
    guest=forged_by("(16).to_bytes(4, 'little') + b'{\"exit_code\": 0}' + b'9' * 8_000_000"),
    expect=gave(None),
    twin=Twin(
        granted="one of four thousand digits",
        guest=forged(b'{"exit_code": 0}', b"9" * 4000),
        expect=gave(int("9" * 4000)),
    ),
)
