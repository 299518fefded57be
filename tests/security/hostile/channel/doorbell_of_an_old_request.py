from hostile.case import Case, Twin, printed
from hostile.harness import FETCHED, rung

CASE = Case(
    title="a short request asked for again, which the host no longer holds",
    guest=rung(64, 1),
    expect=printed("1e-09\n"),
    twin=Twin(
        granted="a long one, which it does hold, arrives in the program's own memory",
        guest=FETCHED,
        options={"inputs": {"x": "y" * 100_000}},
        expect=printed("True\n"),
    ),
)
