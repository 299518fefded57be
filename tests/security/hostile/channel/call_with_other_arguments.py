from hostile.case import Case, Twin, gave
from hostile.granted import GRANTED
from hostile.harness import HARNESS

_CALLS = HARNESS + (
    "said = []\n"
    "for args, kwargs in CALLS:\n"
    "    try: said.append(g['call_now']('look_up', args, kwargs))\n"
    "    except Exception as error: said.append(type(error).__name__)\n"
    "said"
)

CASE = Case(
    title="arguments of other types, too many, too few, by other names, with numbers that are none",
    guest=_CALLS.replace(
        "CALLS",
        "(((), {}), ((1,), {}), (('a', 1, 2), {}), (('a',), {'word': 'b'}), (('a',), {'self': 1}), (('a', '1'), {}), "
        "(('a', True), {}), (([],), {}), (('a', float('nan')), {}), (('a', 2**70), {'call': 1}))",
    ),
    options=GRANTED,
    expect=gave(["TypeError"] * 8 + ["ValueError", "TypeError"]),
    twin=Twin(
        granted="what it takes",
        guest=_CALLS.replace("CALLS", "((('a',), {}), ((), {'top': 2, 'word': 'b'}))"),
        expect=gave([["a"], ["b", "b"]]),
    ),
)
