"""The whole of cpython-3.15: what the default slice leaves out, really computed with."""

from __future__ import annotations

from wasihost import Limits, Outcome, run_wasm_python

LIMITS = Limits(fuel=400_000_000_000, memory_bytes=1 << 30, deadline_seconds=120)


def test_numpy_and_pandas_compute() -> None:
    result = run_wasm_python(
        "import numpy as np\nimport pandas as pd\n"
        "solved = np.linalg.solve(np.array([[3.0, 1.0], [1.0, 2.0]]), np.array([9.0, 8.0]))\n"
        "table = pd.DataFrame({'kind': ['a', 'b', 'a'], 'size': [1, 2, 3]})\n"
        "[solved.round(9).tolist(), table.groupby('kind')['size'].sum().to_dict()]",
        runtime="cpython-3.15-sci",
        limits=LIMITS,
    )
    assert (result.outcome, result.error) == (Outcome.EXITED, None)
    assert result.value == [[2.0, 3.0], {"a": 4, "b": 2}]


def test_the_default_runtime_names_the_one_to_use() -> None:
    result = run_wasm_python("import numpy")
    assert result.error is not None
    assert result.error.type == "ModuleNotFoundError"
    assert "'numpy'" in result.error.message
    assert "cpython-3.15-sci" in result.error.message
