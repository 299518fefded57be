"""The runtimes that tests run on, made ready once, in the cache of this user or of WASIHOST_CACHE_DIR."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wasihost import RunResult, Sandbox, kept, run_wasm_python
from wasihost.containment import nursery

RUNTIMES = ("cpython-3.15", "cpython-3.12", "cpython-3.11")


@pytest.fixture(scope="session", params=RUNTIMES)
def runtime(request: pytest.FixtureRequest) -> str:
    """Name of a runtime that is ready: a download or a compilation that fails is an error, not a skip."""
    with Sandbox(runtime=request.param):
        return str(request.param)


@pytest.fixture(scope="session")
def python_version(runtime: str) -> tuple[int, int]:
    """(3, 15) and so on, of the Python inside."""
    major, minor = runtime.removeprefix("cpython-").split(".")
    return int(major), int(minor)


@pytest.fixture
def run(runtime: str) -> Callable[..., RunResult]:
    """`run_wasm_python` on each runtime."""

    def call(code: str | bytes | None = None, **kwargs: Any) -> RunResult:
        return run_wasm_python(code, runtime=runtime, **kwargs)

    return call


@pytest.fixture
def default_run() -> Callable[..., RunResult]:
    """`run_wasm_python` on the default runtime, for what does not depend on the Python inside."""
    return run_wasm_python


@pytest.fixture
def quiet_host() -> None:
    """Nothing of wasihost goes on in this process: for tests that count its descriptors, threads or children."""
    kept.close_all()
    nursery.close_spares()
    busy = {"wasihost-start", "wasihost-spare", "wasihost-sweeper"}
    until = time.monotonic() + 10.0
    while busy & {thread.name for thread in threading.enumerate()} and time.monotonic() < until:
        time.sleep(0.01)
    nursery.close_spares()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder of the host that can be granted."""
    path = tmp_path / "granted"
    path.mkdir()
    return path
