"""What a run gives back."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from wasihost import errors

if TYPE_CHECKING:
    from wasihost.functions.record import HostCall


class Outcome(enum.Enum):
    """How a run ended."""

    EXITED = "exited"
    """The program came to its end or left by itself; `RunResult.exit_code` says with which status."""
    OUT_OF_FUEL = "out of fuel"
    DEADLINE_EXCEEDED = "deadline exceeded"
    OUTPUT_LIMIT = "output limit"
    DISK_LIMIT = "disk limit"
    HOST_CALL_LIMIT = "host call limit"
    GUEST_CRASHED = "guest crashed"
    """The interpreter inside was destroyed: a trap, or a reply that makes no sense."""
    CANCELLED = "cancelled"
    HOST_FAILED = "host failed"
    """The host could not carry the run through; the program is not to blame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestError:
    """The exception that ended the program. All three are the guest's words: text to show, not to trust.

    Attributes:
        type: Name of the class as a traceback prints it (`ValueError`, `json.decoder.JSONDecodeError`).
        message: `str()` of the exception.
        traceback: What Python would print on standard error, with the lines of the user's code only.
    """

    type: str
    message: str
    traceback: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """Something the program tried to open and was not given. Reported from inside: a hint, not a security log.

    Attributes:
        kind: "read", "write", "env", "network" or "process".
        target: The guest path or name that was asked for.
    """

    kind: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    """A file or symbolic link that a run added to an overlay, changed or removed; the original is as it was.

    For a turn of a session that was rolled back, what was done to overlays is undone and not listed. What the turn
    wrote to writable folders and scratch folders stays, and is listed as far as times of change tell.

    Names, content and target are the guest's: data that nobody vouches for. Folders are not listed, only what is in
    them.

    Attributes:
        kind: "added", "changed" (other content, or a link in place of a file) or "removed"; or "written", which is
            added or changed by a turn that was rolled back, and not undone.
        path: Guest path; bytes of the name that are not UTF-8 become U+FFFD.
        size_bytes: Size of the file now, or before it was removed; of a link, the length of its target.
        content: What an added or changed file holds; None for links, for removed and "written" files, and for what
            goes beyond 16 MiB together.
        link_target: Where a link points, else None. Do not follow it.
    """

    kind: Literal["added", "changed", "removed", "written"]
    path: str
    size_bytes: int = 0
    content: bytes | None = None
    link_target: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """Everything that is known about a finished run.

    Attributes:
        outcome: How the run ended.
        exit_code: 0 to 255 when the outcome is EXITED, else None.
        stdout_bytes: Standard output as written; when it was cut, its first and last part with a line between that
            counts the omitted bytes.
        stderr_bytes: Standard error, likewise.
        value: JSON value of the last expression; None when there is none or it has no JSON form.
        text: In a session, `repr()` of the last expression's value, cut where it is very long; None when there is none.
        displays: What a turn of a session showed: bundles from MIME type to text, to bytes (pictures, PDF) or to a JSON
            value (`application/json`), in the order of `display()` calls and of figures; that of the last expression
            is there too. All of it is the guest's: HTML and SVG may hold scripts.
        displays_omitted: How many things it showed beyond `Limits.display_bytes` or 100.
        rolled_back: Whether the turn was stopped, so that the session is what it was before it.
        error: The exception that ended the program, if one did.
        detail: One plain sentence on an outcome other than EXITED, else "".
        denials: What the program asked for and was not given, as it reported it itself.
        fuel_consumed: Wasm instructions used, None when unmetered.
        memory_peak_bytes: Size of the linear memory at the end (it never shrinks); the interpreter is in it.
        wall_seconds: From the start of the run to its end; waiting for a free worker is not in it.
        cpu_seconds: CPU time of the thread that ran the guest.
        stdout_omitted_bytes: Bytes of standard output that were not kept.
        stderr_omitted_bytes: Bytes of standard error that were not kept.
        files_changed: What the run did to its overlays, sorted by path, 10,000 at most.
        files_changed_omitted: How many more changes there were, at least.
        host_calls: The calls of functions of the host, in the order in which they were asked for; beyond
            `FunctionLimits.calls`, one that was refused.
        walls: What stood around the run: "wasm", and with containment "process" also "process" and those of the
            operating system that this machine has ("rlimits", "no-new-privileges", "non-dumpable", "landlock",
            "seccomp") and the launcher's name.
    """

    outcome: Outcome
    exit_code: int | None = None
    stdout_bytes: bytes = b""
    stderr_bytes: bytes = b""
    value: Any = None
    text: str | None = None
    displays: tuple[Mapping[str, Any], ...] = ()
    displays_omitted: int = 0
    rolled_back: bool = False
    error: GuestError | None = None
    detail: str = ""
    denials: tuple[Denial, ...] = ()
    fuel_consumed: int | None = None
    memory_peak_bytes: int = 0
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    stdout_omitted_bytes: int = 0
    stderr_omitted_bytes: int = 0
    files_changed: tuple[FileChange, ...] = ()
    files_changed_omitted: int = 0
    host_calls: tuple[HostCall, ...] = ()
    walls: tuple[str, ...] = ()

    @property
    def stdout(self) -> str:
        """Standard output as text; bytes that are not UTF-8 become U+FFFD."""
        return self.stdout_bytes.decode("utf-8", "replace")

    @property
    def stderr(self) -> str:
        """Standard error as text; bytes that are not UTF-8 become U+FFFD."""
        return self.stderr_bytes.decode("utf-8", "replace")

    @property
    def truncated(self) -> bool:
        """Whether some of standard output or standard error was not kept."""
        return bool(self.stdout_omitted_bytes or self.stderr_omitted_bytes)

    def check(self) -> RunResult:
        """Return this result if the program EXITED with 0, else raise.

        Raises:
            RunFailedError: The subclass that belongs to the outcome (`CHECK_ERRORS`); `.result` is this result.
        """
        if self.outcome is Outcome.EXITED and self.exit_code == 0:
            return self
        raise CHECK_ERRORS[self.outcome](self._failure(), self)

    def _failure(self) -> str:
        if self.outcome is not Outcome.EXITED:
            return self.detail or f"the run ended: {self.outcome.value}"
        if self.error is not None:
            message = f": {self.error.message}" if self.error.message else ""
            return f"the program raised {self.error.type}{message}"
        return f"the program exited with status {self.exit_code}"


CHECK_ERRORS: Final[dict[Outcome, type[errors.RunFailedError]]] = {
    Outcome.EXITED: errors.GuestExitedError,
    Outcome.OUT_OF_FUEL: errors.FuelExhaustedError,
    Outcome.DEADLINE_EXCEEDED: errors.DeadlineExceededError,
    Outcome.OUTPUT_LIMIT: errors.OutputLimitError,
    Outcome.DISK_LIMIT: errors.DiskLimitError,
    Outcome.HOST_CALL_LIMIT: errors.HostCallLimitError,
    Outcome.GUEST_CRASHED: errors.GuestCrashedError,
    Outcome.CANCELLED: errors.RunCancelledError,
    Outcome.HOST_FAILED: errors.HostFailedError,
}
"""What `RunResult.check()` raises for each outcome; every outcome is here (tested)."""
