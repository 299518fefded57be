"""Every exception that wasihost raises.

A guest's failure is a result, never an exception; these are the host's mistakes, a machine that cannot
serve, and what `RunResult.check()` raises on request.

    WasiHostError
    ├── ConfigError (also a ValueError)         something the host passed is wrong
    │   ├── InvalidPreopenError                 a directory that cannot be granted as asked
    │   ├── InvalidLimitsError                  a limit out of range, or below what the image needs
    │   ├── InvalidGrantError                   environment, arguments, inputs or standard input
    │   ├── InvalidSourceError                  code, script or module that cannot be run at all
    │   ├── InvalidProfileError                 a profile file that says something else than it should
    │   ├── InvalidManifestError                a runtime's manifest that says something else than it should
    │   ├── UnknownRuntimeError                 no manifest of that name
    │   ├── UnknownImageError                   no image of that name
    │   └── InvalidImageError                   a name, package, module or file that no image can be made of
    ├── RuntimeUnavailableError                 the runtime exists, but cannot be had here and now
    │   ├── DownloadError                       the source did not answer or answered with something else
    │   ├── OfflineError                        a download would be needed, and WASIHOST_OFFLINE forbids it
    │   ├── DigestMismatchError                 bytes that are not the pinned ones
    │   ├── MissingMemberError                  an archive without a file that the manifest names
    │   ├── UnfreezableRuntimeError             a build that cannot be started, stopped and mapped
    │   ├── UnusableImageError                  an image of another version, or one whose files were changed
    │   └── CacheError                          the cache folder cannot be used
    │       ├── UntrustedCacheError             somebody else could have written to it
    │       └── DiskFullError                   no room for what has to be stored
    ├── ImageBuildError                         an image could not be built; `.result` is the run that failed
    │   └── PackageError                        packages that cannot be had together, or not for this runtime
    ├── EngineError                             Wasmtime or a worker refused something that it should have done
    │   └── WallsMissingError                   a required wall does not stand on this machine
    ├── ClosedError                             a sandbox or session used after its end
    └── RunFailedError                          raised by `RunResult.check()`; `.result` is the run
        ├── GuestExitedError                    the program ended with a status other than 0
        ├── FuelExhaustedError
        ├── DeadlineExceededError
        ├── OutputLimitError
        ├── DiskLimitError
        ├── HostCallLimitError
        ├── GuestCrashedError
        ├── RunCancelledError
        └── HostFailedError
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wasihost.result import RunResult


class WasiHostError(Exception):
    """The root of everything raised on purpose."""


class ConfigError(WasiHostError, ValueError):
    """An argument of the host cannot be accepted."""


class InvalidPreopenError(ConfigError):
    """A directory cannot be granted as asked."""


class InvalidLimitsError(ConfigError):
    """A limit is out of its range, or lower than the image needs."""


class InvalidGrantError(ConfigError):
    """An environment variable, argument, input or standard input cannot be passed to a guest."""


class InvalidSourceError(ConfigError):
    """The code, script or module cannot be run: missing, a directory, not text."""


class InvalidProfileError(ConfigError):
    """A profile file is missing or malformed; the message names file and field."""


class InvalidManifestError(ConfigError):
    """A runtime manifest is malformed; the message names file and field."""


class UnknownRuntimeError(ConfigError):
    """There is no manifest of that name; the message lists the names there are."""


class UnknownImageError(ConfigError):
    """There is no image of that name for the runtime; the message lists the names there are."""


class InvalidImageError(ConfigError):
    """An image cannot be made of this: its name, a package, a module, or a file that is no exported image."""


class RuntimeUnavailableError(WasiHostError):
    """The runtime is known but cannot be had here and now; the message says what to do."""


class DownloadError(RuntimeUnavailableError):
    """The source of a runtime could not be reached, or served something else."""


class OfflineError(RuntimeUnavailableError):
    """A download would be needed and `WASIHOST_OFFLINE` forbids it."""


class DigestMismatchError(RuntimeUnavailableError):
    """A file's sha256 is not the pinned one."""


class MissingMemberError(RuntimeUnavailableError):
    """An archive lacks a file that its manifest names."""


class UnfreezableRuntimeError(RuntimeUnavailableError):
    """A build of CPython that cannot be started, stopped at rest and mapped; the message says why."""


class UnusableImageError(RuntimeUnavailableError):
    """An image was built for another version of wasihost or of its runtime, or its files were changed since."""


class CacheError(RuntimeUnavailableError):
    """The cache folder cannot be used."""


class UntrustedCacheError(CacheError):
    """Somebody other than this user owns the cache or may write to it."""


class DiskFullError(CacheError):
    """The disk that holds the cache has no room."""


class ImageBuildError(WasiHostError):
    """An image could not be built; one of that name that was there before still is.

    Attributes:
        result: The run that imported the modules and ran the set-up code, where it came to that.
    """

    def __init__(self, message: str, result: RunResult | None = None) -> None:
        super().__init__(message)
        self.result = result


class PackageError(ImageBuildError):
    """Packages cannot be had: unknown, in conflict, with another digest, or in need of native code."""


class EngineError(WasiHostError):
    """Wasmtime, or a worker process, refused something that should have worked."""


class WallsMissingError(EngineError):
    """A wall that was required does not stand on this machine; the message says which and why."""


class ClosedError(WasiHostError):
    """The object was closed before."""


class RunFailedError(WasiHostError):
    """A run did not end with exit code 0; `result` holds everything that is known about it."""

    def __init__(self, message: str, result: RunResult) -> None:
        super().__init__(message)
        self.result = result


class GuestExitedError(RunFailedError):
    """The program ended by itself with a status other than 0."""


class FuelExhaustedError(RunFailedError):
    """The program used up its instructions."""


class DeadlineExceededError(RunFailedError):
    """The program was still running at its deadline."""


class OutputLimitError(RunFailedError):
    """The program wrote more than it may."""


class DiskLimitError(RunFailedError):
    """The program stored more than it may."""


class HostCallLimitError(RunFailedError):
    """The program called the host more often than it may."""


class GuestCrashedError(RunFailedError):
    """The interpreter inside was destroyed: a trap, or a reply that makes no sense."""


class RunCancelledError(RunFailedError):
    """The host stopped the run."""


class HostFailedError(RunFailedError):
    """The host could not carry the run through; the program is not to blame."""
