"""What a guest is started with, in values: grants and limits as the engine takes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from wasihost.engine.doorbell import HostCalls
    from wasihost.engine.instance import Guest


class Directory(NamedTuple):
    """A directory as the engine gets it.

    Attributes:
        host: Path that the engine opens (a `/proc/self/fd/N` of a checked descriptor, where there is one).
        guest: Name under which WASI lists it.
        writable: Whether the guest may change it.
    """

    host: str
    guest: str
    writable: bool = False


class Surroundings(NamedTuple):
    """What a guest is started with.

    Attributes:
        arguments: WASI argv (seen at boot only; a run's `sys.argv` travels in the request).
        environment: WASI environment (likewise).
        directories: Preopens in descriptor order, from 3.
        stdin: Bytes of standard input, or None to inherit the host's own.
        fuel: Instructions; None on an unmetered engine.
        memory_bytes: Cap of the linear memory.
        deadline_seconds: Wall clock from the start of the run.
        output_bytes: Kept of standard output and standard error, each.
        output_ends_run: Whether a stream past `output_bytes` ends the run.
        open_files: Files open at a time.
        host_calls: Calls that are answered by the host's own code; more end the run.
        disk: Asked whenever the guest is about to store more than was counted for it: (guest, bytes, entries) ->
            whether it may. None where nothing is writable.
        calls: Functions of the host that the guest may call; None without any.
        on_stdout: Called with each piece of standard output.
        on_stderr: Called with each piece of standard error.
    """

    arguments: Sequence[str] = ()
    environment: Sequence[tuple[str, str]] = ()
    directories: Sequence[Directory] = ()
    stdin: bytes | None = b""
    fuel: int | None = None
    memory_bytes: int = 2**32
    deadline_seconds: float = 60.0
    output_bytes: int = 2**20
    output_ends_run: bool = False
    open_files: int = 256
    host_calls: int = 2**62
    disk: Callable[[Guest, int, int], bool] | None = None
    calls: HostCalls | None = None
    on_stdout: Callable[[bytes], object] | None = None
    on_stderr: Callable[[bytes], object] | None = None
