"""Plan a week of a joinery with a linear programme that is solved inside: `linear_programme.py`.

Which products, and how many of each, earn most with the hours and the wood that there are? The figures go in as
`inputs`, and the plan comes back as the value of the program's last expression.
"""

import sys

from wasihost import Limits, run_wasm_python

JOINERY = {
    "products": ["table", "chair", "shelf"],
    "profit": [70, 35, 40],
    # What one piece of each product needs, and what there is in a week.
    "needs": {"sawing hours": [2, 1, 1], "finishing hours": [3, 1, 2], "wood in square metres": [4, 1, 3]},
    "stock": {"sawing hours": 80, "finishing hours": 120, "wood in square metres": 140},
    "most": [20, 40, 30],
}

# Each key of `inputs` is a global of the guest. `linprog` makes something as small as it can, hence the minus signs.
PROGRAM = """
from scipy.optimize import linprog

resources = list(needs)
found = linprog(
    [-each for each in profit],
    A_ub=[needs[name] for name in resources],
    b_ub=[stock[name] for name in resources],
    bounds=[(0, number) for number in most],
)
assert found.success, found.message
{
    "profit": -found.fun,
    "make": dict(zip(products, found.x.tolist())),
    "left": dict(zip(resources, found.slack.tolist())),
    # What one more unit of each resource would be worth.
    "worth": dict(zip(resources, (-found.ineqlin.marginals).tolist())),
}
"""


def plan(joinery: dict) -> dict:
    """Return the best plan.

    Raises:
        RunFailedError: There is no plan, or a limit was reached.
    """
    result = run_wasm_python(
        PROGRAM,
        inputs=joinery,
        runtime="cpython-3.15-sci",
        limits=Limits(memory_bytes=512 * 2**20, deadline_seconds=30.0),
    )
    return result.check().value


def main() -> None:
    best = plan(JOINERY)
    print(f"Profit of the week: {best['profit']:.2f}")
    for product, number in best["make"].items():
        print(f"  make {number:5.1f} of {product}")
    for resource, left in best["left"].items():
        print(f"  {left:5.1f} {resource} are left; one more is worth {best['worth'][resource]:.2f}")


if __name__ == "__main__":
    sys.exit(main())
