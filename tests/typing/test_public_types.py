"""mypy agrees with what `public_types.py` says of the public names."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def test_mypy_strict_accepts_the_file(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", f"--cache-dir={tmp_path}", "--python-version=3.11",
         str(HERE / "public_types.py")],
        cwd=HERE.parents[1], capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert (done.stdout, done.returncode) == ("Success: no issues found in 1 source file\n", 0), done.stdout
