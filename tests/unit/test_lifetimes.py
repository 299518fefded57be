"""What is watched ends when it is due, later when it is busy, and is not kept alive by being watched."""

from __future__ import annotations

import gc
import threading
import time
import weakref

import pytest

from wasihost import lifetimes
from wasihost.bounds import Bounds
from wasihost.errors import ConfigError, InvalidLimitsError


class Thing:
    def __init__(self, seconds: float, *, busy: int = 0) -> None:
        self.end = time.monotonic() + seconds
        self.busy = busy
        self.ended = threading.Event()

    def due(self) -> float:
        return self.end

    def end_if_due(self) -> None:
        if self.busy:
            self.busy -= 1
        elif time.monotonic() >= self.end:
            lifetimes.forget(self)
            self.ended.set()


def test_the_due_one_ends_and_the_other_does_not() -> None:
    late, soon = Thing(60), Thing(0.1)
    lifetimes.watch(late)
    lifetimes.watch(soon)  # the watcher sleeps already, for the other
    assert soon.ended.wait(5)
    assert not late.ended.is_set()
    assert time.monotonic() >= soon.end
    lifetimes.forget(late)


def test_one_that_is_used_ends_later() -> None:
    thing = Thing(0.1)
    lifetimes.watch(thing)
    time.sleep(0.05)
    thing.end += 0.3
    time.sleep(0.15)
    assert not thing.ended.is_set()
    assert thing.ended.wait(5)


def test_one_that_is_busy_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifetimes, "RETRY_SECONDS", 0.05)
    thing = Thing(0.05, busy=2)
    lifetimes.watch(thing)
    assert thing.ended.wait(5)
    assert thing.busy == 0


def test_watching_keeps_nothing_alive() -> None:
    thing = Thing(60)
    lifetimes.watch(thing)
    time.sleep(0.05)
    seen = weakref.ref(thing)
    del thing
    gc.collect()
    assert seen() is None


def test_things_that_belong_together() -> None:
    living: lifetimes.Living[Thing] = lifetimes.Living()
    kept, lost = Thing(1), Thing(1)
    living.add(kept)
    living.add(lost)
    assert set(living.all()) == {kept, lost}
    del lost
    gc.collect()
    assert living.all() == [kept]
    living.discard(kept)
    living.discard(kept)
    assert living.all() == []


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), True, "3", None, 10**9])
@pytest.mark.parametrize("name", ["idle_seconds", "lifetime_seconds"])
def test_bounds_that_cannot_be(name: str, seconds: object) -> None:
    with pytest.raises(InvalidLimitsError, match=name):
        Bounds(**{name: seconds})  # type: ignore[arg-type]


def test_bounds() -> None:
    assert Bounds(idle_seconds=1, figures="svg").figures == ("svg",)
    assert Bounds().figures == ("png", "svg")
    assert Bounds(figures=[]).figures == ()
    for figures in ("pdf", ["png", "gif"], 7, None, [["png"]]):
        with pytest.raises(ConfigError, match="figures are drawn as png or svg"):
            Bounds(figures=figures)  # type: ignore[arg-type]
