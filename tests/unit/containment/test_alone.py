"""A process that walls itself in has one thread, and is told from one whose last thread is just leaving."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="threads are counted in /proc")


def alone(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", f"import threading, time\nfrom wasihost.containment.direct import _is_alone\n{code}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def test_a_thread_that_was_joined_is_no_other_thread() -> None:
    code = (
        "found = []\n"
        "for _ in range(300):\n"
        "    thread = threading.Thread(target=len, args=('',)); thread.start(); thread.join()\n"
        "    found.append(_is_alone())\n"
        "print(found.count(True))"
    )
    assert alone(code) == "300\n"


def test_a_thread_that_goes_on_is_one() -> None:
    code = (
        "threading.Thread(target=time.sleep, args=(9,), daemon=True).start()\n"
        "started = time.monotonic()\n"
        "print(_is_alone(), time.monotonic() - started < 0.09)"
    )
    assert alone(code) == "False True\n"
