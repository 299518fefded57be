"""Tables that must be complete, and must say the same as the files that people read."""

from __future__ import annotations

import inspect
import subprocess
import sys
import threading
import time

import pytest

from wasihost.capabilities.policy import Treatment, load_policy
from wasihost.conclusion import OUTCOMES
from wasihost.engine import threads
from wasihost.engine.ending import Ending
from wasihost.engine.wasi import SHADOWS
from wasihost.errors import RunFailedError
from wasihost.result import CHECK_ERRORS, Outcome


def test_shadows_are_the_rows_that_the_policy_says() -> None:
    rows = {
        (row.module, row.name) for row in load_policy().rows if row.treatment in (Treatment.SHADOWED, Treatment.DENIED)
    }
    assert set(SHADOWS) == rows


@pytest.mark.parametrize("key", sorted(SHADOWS), ids=".".join)
def test_a_shadow_takes_the_arguments_that_it_declares(key: tuple[str, str]) -> None:
    function, parameters = SHADOWS[key]
    inspect.signature(function).bind(object(), *range(parameters))
    assert 0 < parameters <= 9


def test_every_ending_has_an_outcome() -> None:
    assert set(OUTCOMES) == set(Ending)
    assert set(OUTCOMES.values()) == set(Outcome)


def test_every_outcome_has_an_error_of_its_own() -> None:
    assert set(CHECK_ERRORS) == set(Outcome)
    assert len(set(CHECK_ERRORS.values())) == len(Outcome)
    assert set(CHECK_ERRORS.values()) == set(RunFailedError.__subclasses__())


def test_a_thread_is_used_again_and_has_a_deep_stack() -> None:
    first = threads.submit_and_wait(threading.get_ident)
    second = threads.submit_and_wait(threading.get_ident)
    assert first == second != threading.get_ident()
    assert threads.THREAD_STACK_BYTES > threads.MAX_WASM_STACK_BYTES
    assert threading.stack_size() == 0


def test_an_exception_on_the_thread_reaches_the_caller() -> None:
    with pytest.raises(ZeroDivisionError):
        threads.submit_and_wait(lambda: 1 // 0)


def test_waiting_gives_up_after_the_given_time() -> None:
    release = threading.Event()
    task = threads.submit(release.wait)
    assert task.wait(0.01) is False
    release.set()
    assert task.wait(5.0) is True
    assert task.result() is True


def test_the_ticker_stops_after_the_last_run() -> None:
    from wasihost.engine.engine import shared_engine
    from wasihost.engine.ticker import LINGER_SECONDS

    ticker = shared_engine(metered=True).ticker
    ticker.enter()
    ticker.leave()
    assert ticker._thread is not None
    end = time.monotonic() + LINGER_SECONDS + 5
    while ticker._thread is not None and time.monotonic() < end:
        time.sleep(0.02)
    assert ticker._thread is None


def test_importing_the_engine_does_not_import_the_wasmtime_package() -> None:
    code = "import sys, wasihost.engine.code; print('wasmtime' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "False\n"
