from hostile.case import Case, Twin, printed
from hostile.harness import rung

CASE = Case(
    title="the largest command number",
    guest=rung(0, 4294967295),
    options={"inputs": {"x": "y" * 100_000}},
    expect=printed("1e-09\n"),
    twin=Twin(granted="a bell that asks for nothing", guest=rung(0, 0), expect=printed("1e-09\n")),
)
