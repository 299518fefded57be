from hostile.case import Case, Twin, printed
from hostile.harness import rung

CASE = Case(
    title="the request asked for again, to the last byte of the address space",
    guest=rung(0xFFFFFFFF, 1),
    options={"inputs": {"x": "y" * 100_000}},
    expect=printed("21\n"),
    twin=Twin(granted="a bell that asks for nothing", guest=rung(0, 0), expect=printed("1e-09\n")),
)
