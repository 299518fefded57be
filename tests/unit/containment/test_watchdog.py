"""The clock beside the callers: it stops what is overdue, in whatever order it hears of it, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable

from wasihost.containment import watchdog
from wasihost.containment.job import Control


def wait_for(condition: Callable[[], object], seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end and not condition():
        time.sleep(0.002)
    return bool(condition())


class Run:
    """A control, bound and watched, that notes when it was stopped."""

    def __init__(self, seconds: float) -> None:
        self.stopped: list[float] = []
        self.control = Control()
        self.control.until = time.monotonic() + seconds
        self.control.bind(lambda: self.stopped.append(time.monotonic()))
        watchdog.watch(self.control)

    def release(self) -> None:
        watchdog.release(self.control)
        self.control.bind(None)


def test_each_is_stopped_when_its_time_is_over() -> None:
    runs = [Run(seconds) for seconds in (60.0, 0.3, 0.1, 0.2, 0.1)]
    assert wait_for(lambda: all(run.stopped for run in runs[1:]))
    for run in runs[1:]:
        assert run.control.expired
        assert len(run.stopped) == 1
        assert 0.0 <= run.stopped[0] - run.control.until < 1.0
        run.release()
    assert not runs[0].stopped
    assert not runs[0].control.expired
    runs[0].release()


def test_what_has_ended_is_left_alone() -> None:
    ended, late = Run(0.1), Run(0.15)
    ended.release()
    assert wait_for(lambda: late.stopped)
    assert not ended.stopped
    assert not ended.control.expired
    late.release()


def test_after_a_rest_it_goes_on() -> None:
    for _ in range(3):
        run = Run(0.05)
        assert wait_for(lambda run=run: run.stopped)  # type: ignore[misc]
        run.release()
        assert wait_for(lambda: watchdog._planned == float("inf"))
        assert not watchdog._watched


def test_a_time_that_is_over_already() -> None:
    run = Run(-1.0)
    assert wait_for(lambda: run.stopped)
    run.release()
