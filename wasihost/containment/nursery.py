"""Workers that have loaded code and image and wait to be told whom they serve.

Starting Python and loading the engine takes some 60 ms, putting up walls a few. So one such worker is kept for each
runtime that this process uses: a new sandbox, and the replacement of a worker that was killed, begin with it.
"""

from __future__ import annotations

import atexit
import os
import threading
from typing import TYPE_CHECKING, Final

from wasihost.containment import messages, spawner
from wasihost.containment.process import WorkerProcess
from wasihost.errors import WasiHostError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wasihost.containment.job import Grant
    from wasihost.containment.launchers import Launcher
    from wasihost.image.store import Located

_lock = threading.Lock()
_spare: dict[Located, WorkerProcess] = {}
_growing: set[Located] = set()
MAX_SPARE: Final = 4
WORKER_BYTES: Final = 384 << 20
"""What a worker may need besides the memory of a guest that ends and of the next: Python, code and image, its heap."""


_is_over = False
"""Whether this program is ending: what comes up from now on has nobody to end it later."""
_inherited: list[WorkerProcess] = []


def _forget_parent() -> None:
    """Start afresh in a forked child: workers and locks are the parent's."""
    global _lock  # noqa: PLW0603 - one for the process
    _lock = threading.Lock()
    _inherited.extend(_spare.values())  # dropping them would make noise about processes of another parent
    _spare.clear()
    _growing.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parent)


@atexit.register
def _end() -> None:
    global _is_over  # noqa: PLW0603 - see above
    with _lock:
        _is_over = True
    close_spares()


def close_spares() -> None:
    """End the workers that nobody asked for."""
    with _lock:
        spares = list(_spare.values())
        _spare.clear()
    for worker in spares:
        worker.kill()
    for worker in spares:
        worker.close()


def take(
    located: Located,
    launcher: Launcher | None,
    grants: Sequence[Grant],
    room: tuple[int, str] | None,
    memory_bytes: int,
    *,
    spares: bool = True,
) -> WorkerProcess:
    """Return a loaded worker: the spare one, or a new one.

    With `spares`, another one is started to be the next spare.

    Raises:
        EngineError: None can be started.
    """
    if launcher is not None:
        return _launched(located, launcher, grants, room, memory_bytes)
    with _lock:
        spare = _spare.pop(located, None)
    if spare is not None and not spare.is_alive():
        spare.close()
        spare = None
    worker = spare or _new(located)
    if spares:
        try:
            _grow(located)
        except BaseException:  # Ctrl-C
            worker.close()
            raise
    return worker


def _launched(
    located: Located,
    launcher: Launcher,
    grants: Sequence[Grant],
    room: tuple[int, str] | None,
    memory_bytes: int,
) -> WorkerProcess:
    """Start a worker by way of another program. Its grants are mounted only if they cannot come as descriptors."""
    from wasihost.containment import belongings

    read, write = [*belongings.own_files(), *_own_folders(located)], []
    if launcher.by_path:
        read += [grant.host for grant in grants if not grant.writable and not grant.overlay]
        write += [grant.host for grant in grants if grant.writable and not grant.overlay]
        write += [room[1]] if room is not None else []
    launch = launcher.launch(
        belongings.with_real_python(spawner.worker_argv(parent=0)),
        read=read,
        write=write,
        memory_bytes=2 * memory_bytes + WORKER_BYTES,
    )
    return _loaded(WorkerProcess(launch.argv, _load(located), launch=launch))


def _new(located: Located) -> WorkerProcess:
    return _loaded(WorkerProcess(spawner.worker_argv(parent=os.getpid()), _load(located)))


def _loaded(worker: WorkerProcess) -> WorkerProcess:
    """Return a worker once it has loaded what it was told; nothing is left of it when it does not, or at Ctrl-C."""
    try:
        worker.await_loaded()
    except BaseException:
        worker.close()
        raise
    return worker


def _load(located: Located) -> messages.Load:
    return messages.Load(
        protocol=messages.PROTOCOL,
        runtime=located.name,
        metered=located.metered,
        compiled=str(located.compiled),
        image=str(located.image),
        libraries=[(library.host, library.guest) for library in located.libraries],
        memory_bytes=located.memory_bytes,
        slots=located.slots,
    )


def _own_folders(located: Located) -> list[str]:
    return [str(located.compiled), str(located.image), *[library.host for library in located.libraries]]


def _grow(key: Located) -> None:
    """Start the next spare worker, unless there is one or somebody does."""
    with _lock:
        if _is_over or key in _spare or key in _growing or len(_spare) >= MAX_SPARE:
            return
        _growing.add(key)

    def start() -> None:
        worker: WorkerProcess | None = None
        try:
            worker = _new(key)
        except (WasiHostError, OSError, MemoryError):
            worker = None  # whoever needs one hears why
        finally:
            with _lock:
                _growing.discard(key)
                if worker is not None and not _is_over:
                    _spare[key], worker = worker, None
            if worker is not None:
                worker.kill()
                worker.close()

    try:
        threading.Thread(target=start, name="wasihost-spare", daemon=True).start()
    except BaseException as error:
        with _lock:
            _growing.discard(key)
        if not isinstance(error, RuntimeError):
            raise


def pids() -> list[int]:
    """Return the process ids of the spare workers of this process."""
    with _lock:
        return [worker.process.pid for worker in _spare.values()]
