"""What a hostile case is: a program, its exact end, and a twin that succeeds because of a grant."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from wasihost import Outcome

RUNTIMES: Final = ("cpython-3.15", "cpython-3.12", "cpython-3.11")
DEFAULT_RUNTIME_ONLY: Final = ("cpython-3.15",)
CONTAINMENTS: Final = ("in-process", "process")
LATE_SECONDS: Final = {"in-process": 0.7, "process": 0.1}
"""How long after its deadline a run may come back. In-process there are two waits of a quarter second for a guest that
is in a host call: for it to leave by itself, and to be stopped."""

SECRET: Final = "the secret of the host"
"""What lies beside the granted folder, and must not appear in anything that comes out of a run."""

# Error numbers of WASI.
EBADF, EFBIG, EILSEQ, EINVAL, EISDIR, ELOOP, EMFILE = 8, 22, 25, 28, 31, 32, 33
ENAMETOOLONG, ENOENT, ENOTDIR, ENOTSOCK, ENOTSUP, EPERM, ESPIPE, ENOTCAPABLE = 37, 44, 54, 57, 58, 63, 70, 76
ERRNO_NAMES: Final = {number: name for name, number in list(globals().items()) if re.fullmatch(r"E[A-Z]+", name)}

ALL_DIFFERENT: Final = "all runs give another value"
ALL_EQUAL: Final = "all runs give the same value"


class UnavailableError(Exception):
    """Raised by `prepare` where this machine or user cannot set the case up; the case is skipped and says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expect:
    """How a run has to end, to the byte.

    Attributes:
        outcome: Its outcome.
        exit_code: Its status.
        stdout: Its standard output, or a pattern of the whole of it.
        stderr: Likewise; None where it holds a traceback.
        value: Its value, or over several runs ALL_DIFFERENT or ALL_EQUAL.
        error_type: Class of the exception that ended it.
        error_errno: The number of an OSError.
        detail: The sentence on an outcome other than EXITED, or a pattern of the whole of it.
        omitted_bytes: Output that was not kept; None where the buffers inside decide how much it was.
        memory_peak_bytes: Size of the memory at the end, where it is part of the promise.
        otherwise: The one other end that it may come to, where the bytes that happen to be in memory decide.
    """

    outcome: Outcome = Outcome.EXITED
    exit_code: int | None = None
    stdout: str | re.Pattern[str] = ""
    stderr: str | re.Pattern[str] | None = ""
    value: Any = None
    error_type: str | None = None
    error_errno: int | None = None
    detail: str | re.Pattern[str] = ""
    omitted_bytes: int | None = 0
    memory_peak_bytes: int | None = None
    otherwise: Expect | None = None

    def for_outcome(self, outcome: Outcome) -> Expect:
        """Return what has to be true of a run that ended like this: this, or the other end."""
        other = self.otherwise
        return other if other is not None and outcome is other.outcome else self


@dataclass(frozen=True, slots=True)
class Refused:
    """The host does not even begin: its own mistake is an exception.

    Attributes:
        error: The class that is raised.
        message: A pattern that the message holds.
    """

    error: type[Exception]
    message: str


End = Expect | Refused
Prepare = Callable[[Path], Mapping[str, Any] | None]
"""Sets up what lies in the granted folder and around it; may give arguments of the sandbox and of the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Twin:
    """The same wish with the grant that allows it.

    Attributes:
        granted: What is different, in words.
        guest: Its program; None: that of the case.
        expect: How it ends; by runtime or containment where those decide, with "otherwise" for the rest.
        grant: How the prepared folder is granted as /d; None: as in the case.
        options: Arguments of the sandbox and of the run; None: those of the case.
        prepare: None: that of the case.
        runs: In how many runs.
        reads_secret: Whether the secret of the host is what was granted.
    """

    granted: str
    expect: End | Mapping[str, End]
    guest: str | None = None
    grant: Literal["none", "read", "write"] | None = None
    options: Mapping[str, Any] | None = None
    prepare: Prepare | None = None
    runs: int = 1
    reads_secret: bool = False


@dataclass(frozen=True, slots=True)
class Then:
    """A second program in the same sandbox, which looks for what the first one left.

    Attributes:
        guest: The program.
        expect: How it ends.
    """

    guest: str
    expect: End | Mapping[str, End]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One thing that a hostile guest tries, or one bad day of the host.

    Attributes:
        title: What is tried, in one line.
        guest: The program.
        expect: How it ends; by runtime or containment where those decide, with "otherwise" for the rest.
        twin: What succeeds.
        grant: How the prepared folder (see furniture.py) is granted as /d.
        options: Arguments of the sandbox and of the run.
        prepare: Changes the folder beforehand.
        around: What goes on while it runs; entered after `prepare`, and may give arguments as that does.
        then: Who looks afterwards.
        runs: In how many runs; with ALL_DIFFERENT and ALL_EQUAL.
        runtimes: Where it is run; with `because` when not everywhere.
        containments: Where it is run; with `because` when not everywhere.
        because: Why not everywhere.
        late_seconds: How much later than usual the answer may come, where the host keeps itself from it.
        reads_secret: Whether what the guest reads is the secret, because the host granted it.
    """

    title: str
    guest: str
    expect: End | Mapping[str, End]
    twin: Twin
    grant: Literal["none", "read", "write"] = "none"
    options: Mapping[str, Any] = field(default_factory=dict)
    prepare: Prepare | None = None
    around: Callable[[Path], AbstractContextManager[Mapping[str, Any] | None]] | None = None
    then: Then | None = None
    runs: int = 1
    runtimes: tuple[str, ...] = RUNTIMES
    containments: tuple[str, ...] = CONTAINMENTS
    because: str = ""
    late_seconds: float = 0.0
    reads_secret: bool = False

    def __post_init__(self) -> None:
        if not self.title or "\n" in self.title:
            raise ValueError(f"a title is one line: {self.title!r}")
        everywhere = self.runtimes == RUNTIMES and self.containments == CONTAINMENTS
        if everywhere == bool(self.because):
            raise ValueError(f"{self.title}: `because` belongs to a case that is not run everywhere, and only there")


def printed(stdout: str | re.Pattern[str] = "", *, exit_code: int = 0, **more: Any) -> Expect:
    """The program came to its end with this output."""
    return Expect(stdout=stdout, exit_code=exit_code, **more)


def gave(value: Any, **more: Any) -> Expect:
    """The program came to its end with this value."""
    return Expect(value=value, exit_code=0, **more)


def raised(error_type: str, errno: int | None = None, *, stdout: str = "", **more: Any) -> Expect:
    """An exception ended the program."""
    return Expect(error_type=error_type, error_errno=errno, stdout=stdout, stderr=None, exit_code=1, **more)


def stopped(stdout: str | re.Pattern[str] = "", **more: Any) -> Expect:
    """The deadline ended the run, and the answer came in time (the runner measures it)."""
    sentence = re.compile(r"the run was still going at its deadline of [0-9.]+ s")
    return Expect(outcome=Outcome.DEADLINE_EXCEEDED, stdout=stdout, detail=sentence, **more)


def crashed(detail: str | re.Pattern[str], **more: Any) -> Expect:
    """The interpreter inside was destroyed."""
    return Expect(outcome=Outcome.GUEST_CRASHED, detail=detail, **more)


def survived_or_crashed() -> Expect:
    """Forged code reads and writes memory that is not its own: what is there decides whether the interpreter lives."""
    return printed(stderr=None, otherwise=crashed(TRAPPED, stderr=None))


def ended(outcome: Outcome, detail: str | re.Pattern[str], **more: Any) -> Expect:
    """The run ended otherwise than by its program."""
    return Expect(outcome=outcome, detail=detail, **more)


TRAPPED: Final = re.compile(r"memory was accessed .*|a table was accessed .*|unreachable code .*|a null function .*")
"""What forged code ends in: which of them depends on the bytes that an image happens to have there."""

NOT_GRANTED: Final = {
    "cpython-3.11": raised("PermissionError", ENOTCAPABLE),
    "otherwise": raised("FileNotFoundError", ENOENT),
}
"""How the libc of each build says that no granted folder holds a path."""


def pick(end: End | Mapping[str, End], *, runtime: str, containment: str) -> End:
    """The end that holds here."""
    if not isinstance(end, Mapping):
        return end
    for key in (runtime, containment):
        if key in end:
            return end[key]
    return end["otherwise"]
