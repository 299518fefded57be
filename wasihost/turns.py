"""The turns of sessions on a runner: memory and folders that a session starts with, and one turn of it at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from wasihost.capabilities.session_folders import SessionFolders
from wasihost.containment.job import Control, make_job
from wasihost.engine.layers import SessionMemory
from wasihost.engine.runs import PAGE_BYTES
from wasihost.errors import ConfigError
from wasihost.image.protocol import MESSAGE_BYTES

if TYPE_CHECKING:
    from wasihost.containment.job import Calls
    from wasihost.engine.ending import Execution
    from wasihost.image.turn_protocol import TurnRequest
    from wasihost.limits import Limits
    from wasihost.runner import Runner

BRACKETS_BYTES: Final = 4096
"""What a reply to a turn has around values and bundles: brackets and commas."""


def new_memory(runner: Runner) -> SessionMemory:
    """Return the memory of a new session: as yet nothing but the image.

    Raises:
        ConfigError: The workers are where no open files can be passed on to.
        EngineError: The image's files in the cache are not what they were.
    """
    launcher = runner.setup.launcher
    if launcher is not None and launcher.by_path:
        raise ConfigError(
            f"a session cannot reach a worker inside {launcher.name}, which passes no open files on: use another "
            "launcher, or none"
        )
    layout = runner.layout
    return SessionMemory(
        memory_bytes=layout.memory_bytes,
        globals=layout.globals,
        most_pages=max(runner.setup.memory_bytes, layout.memory_bytes) // PAGE_BYTES,
    )


def new_folders(runner: Runner, copy_of: SessionFolders | None = None) -> SessionFolders:
    """Return the folders of a new session, or of a fork of another.

    Raises:
        ClosedError: The runner was closed.
        InvalidPreopenError: A folder cannot be copied.
    """
    with runner.entered() as opened:
        return SessionFolders(opened.entries, runner.room, copy_of=copy_of)


def make_turn(
    runner: Runner,
    memory: SessionMemory,
    folders: SessionFolders,
    request: TurnRequest,
    limits: Limits,
    *,
    on_stdout: Callable[[bytes], object] | None = None,
    on_stderr: Callable[[bytes], object] | None = None,
    calls: Calls | None = None,
    control: Control | None = None,
) -> Execution:
    """Make a turn of a session, which nobody else uses meanwhile; what it changed is not taken over yet.

    Raises:
        ClosedError: The runner was closed.
        EngineError: The guest could not be set up, or this process was forked.
        KeyboardInterrupt: Ctrl-C; the turn is stopped first.
    """
    runner.check_process()
    with runner.entered() as opened:
        writable = [
            (folder.descriptor, entry.limit)
            for folder, entry in zip(folders.folders(), opened.entries, strict=True)
            if folder.writable
        ]
        job = make_job(
            limits,
            request=request.encode(),
            stdin=b"",
            reply_bytes=MESSAGE_BYTES + limits.value_bytes + limits.display_bytes + BRACKETS_BYTES,
            brought=tuple((index, given, f"/proc/self/fd/{given}") for index, given in folders.brought()),
            session=memory,
            watch=runner.watch(writable, limits),
            calls=calls,
            on_stdout=on_stdout,
            on_stderr=on_stderr,
        )
        return runner.carry(job, control or Control())
