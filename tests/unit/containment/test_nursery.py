"""The spare worker: whatever happens while it starts, nothing is left of it, and the next one is started."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from wasihost.containment import nursery
from wasihost.errors import EngineError
from wasihost.image.store import Located


class Fake:
    """Stands in for a worker process."""

    made: list[Fake] = []
    fail: BaseException | None = None

    def __init__(self, *_: object, **__: object) -> None:
        self.closed = False
        Fake.made.append(self)

    def await_loaded(self) -> None:
        if Fake.fail is not None:
            raise Fake.fail

    def is_alive(self) -> bool:
        return not self.closed

    def kill(self) -> None:
        self.closed = True

    close = kill


class FakeLauncher:
    by_path = False

    def launch(self, argv: list[str], **_: object) -> Any:
        return type("Launch", (), {"argv": argv})()


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(nursery, "WorkerProcess", Fake)
    monkeypatch.setattr(nursery, "_spare", {})
    monkeypatch.setattr(nursery, "_growing", set())
    Fake.made, Fake.fail = [], None
    yield
    assert wait_for(lambda: not nursery._growing)
    Fake.fail = None


@pytest.fixture
def located(tmp_path: Path) -> Located:
    return Located(
        name="r",
        metered=True,
        compiled=tmp_path / "c",
        image=tmp_path / "i",
        libraries=(),
        memory_bytes=65536,
        slots=16,
    )


def wait_for(condition: Callable[[], object], seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end and not condition():
        time.sleep(0.002)
    return bool(condition())


def take(located: Located, launcher: Any = None) -> Any:
    return nursery.take(located, launcher, [], None, 65536)


@pytest.mark.parametrize("launched", [False, True])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), EngineError("no process left")])
def test_nothing_is_left_of_a_worker_that_is_not_loaded(
    located: Located, error: BaseException, *, launched: bool
) -> None:
    Fake.fail = error
    with pytest.raises(type(error)):
        take(located, FakeLauncher() if launched else None)
    assert [worker.closed for worker in Fake.made] == [True]
    Fake.fail = None
    assert not take(located, FakeLauncher() if launched else None).closed


def test_ctrl_c_while_the_next_one_is_started(located: Located, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: threading.Thread) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", interrupt)
        with pytest.raises(KeyboardInterrupt):
            take(located)
    assert [worker.closed for worker in Fake.made] == [True]
    assert not nursery._growing


@pytest.mark.parametrize("error", [EngineError("no"), OSError(24, "Too many open files"), ZeroDivisionError()])
def test_a_spare_one_that_does_not_start_is_tried_again(
    located: Located, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _: None)  # what nobody foresaw is told there
    Fake.fail = error
    nursery._grow(located)
    assert wait_for(lambda: not nursery._growing)
    assert wait_for(lambda: "wasihost-spare" not in {thread.name for thread in threading.enumerate()})
    assert nursery._spare == {}
    Fake.fail = None
    nursery._grow(located)
    assert wait_for(lambda: located in nursery._spare)
    assert not take(located).closed
