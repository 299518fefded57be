from hostile.case import ALL_DIFFERENT, ALL_EQUAL, Case, Twin, gave

CASE = Case(
    title="five runs that draw the same chance: temporary names",
    guest="import tempfile\nnext(tempfile._get_candidate_names())",
    runs=5,
    expect=gave(ALL_DIFFERENT),
    twin=Twin(
        granted="a seed, which is obeyed",
        guest="""\
import random
random.seed(7)
random.random()
""",
        runs=5,
        expect=gave(ALL_EQUAL),
    ),
)
