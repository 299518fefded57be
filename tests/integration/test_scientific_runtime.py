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


def test_the_data_slice_computes() -> None:
    program = """
import io
import numpy as np
import pandas as pd

text = io.StringIO()
days = pd.date_range("2026-01-01", periods=4)
frame = pd.DataFrame({"day": days, "place": list("abab"), "amount": [1.0, 2.0, 3.0, 5.5]})
frame.to_csv(text, index=False)
again = pd.read_csv(io.StringIO(text.getvalue()), parse_dates=["day"])
assert again.equals(frame.astype({"day": again["day"].dtype})), again
{
    "sums": again.groupby("place")["amount"].sum().to_dict(),
    "rolling": again["amount"].rolling(2).mean().tolist()[1:],
    "eigenvalues": np.linalg.eigvalsh(np.array([[2.0, 1.0], [1.0, 2.0]])).round(9).tolist(),
    "spectrum": np.abs(np.fft.rfft(np.cos(np.arange(8) * np.pi / 2))).round(9).tolist(),
    "random": np.random.default_rng(7).integers(0, 100, 3).tolist(),
    "zone": str(pd.Timestamp("2026-07-01 12:00", tz="UTC").tz_convert("Europe/Berlin")),
}
"""
    result = run_wasm_python(program, runtime="cpython-3.15-data", limits=LIMITS)
    assert (result.outcome, result.error) == (Outcome.EXITED, None)
    assert result.value == {
        "sums": {"a": 4.0, "b": 7.5},
        "rolling": [1.5, 2.5, 4.25],
        "eigenvalues": [1.0, 3.0],
        "spectrum": [0.0, 0.0, 4.0, 0.0, 0.0],
        "random": [94, 62, 68],
        "zone": "2026-07-01 14:00:00+02:00",
    }


def test_the_data_slice_names_the_one_with_everything() -> None:
    result = run_wasm_python("import scipy", runtime="cpython-3.15-data", limits=LIMITS)
    assert result.error is not None
    assert result.error.type == "ModuleNotFoundError"
    assert "cpython-3.15-sci" in result.error.message
