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
    │   ├── InvalidImageError                   a name, package, module or file that no image can be made of
    │   ├── InvalidSessionError                 a file that is no saved session, or was damaged
    │   └── InvalidFunctionError                a function of the host that cannot be declared like this
    ├── RuntimeUnavailableError                 the runtime exists, but cannot be had here and now
    │   ├── DownloadError                       the source did not answer or answered with something else
    │   ├── OfflineError                        a download would be needed, and WASIHOST_OFFLINE forbids it
    │   ├── DigestMismatchError                 bytes that are not the pinned ones
    │   ├── MissingMemberError                  an archive without a file that the manifest names
    │   ├── UnfreezableRuntimeError             a build that cannot be started, stopped and mapped
    │   ├── UnusableImageError                  an image of another version, or one whose files were changed
    │   ├── UnusableSessionError                a session that was saved on another runtime or image than is here
    │   └── CacheError                          the cache folder cannot be used
    │       ├── UntrustedCacheError             somebody else could have written to it
    │       └── DiskFullError                   no room for what has to be stored
    ├── ImageBuildError                         an image could not be built; `.result` is the run that failed
    │   └── PackageError                        packages that cannot be had together, or not for this runtime
    ├── EngineError                             Wasmtime or a worker refused something that it should have done
    │   └── WallsMissingError                   a required wall does not stand on this machine
    ├── PluginError                             something is wrong with a plugin, or between it and the host
    │   ├── InvalidPluginError                  a manifest or package that is not what it should be (a ConfigError too)
    │   ├── PluginGrantError                    it needs what the host does not give (a ConfigError too)
    │   ├── PluginTargetError                   a place that a plugin cannot be written to (a ConfigError too)
    │   ├── PluginVersionError                  another version of a plugin than was asked for (a ConfigError too)
    │   └── PluginCallError                     a call of a plugin failed; `.result` is the run, if there was one
    │       ├── UnknownExportError              the plugin exports no function of that name
    │       ├── PluginArgumentsError            arguments that the function does not take
    │       ├── PluginImportError               its entry module could not be imported
    │       ├── PluginSetupError                its setup() raised
    │       ├── PluginExportError               it has no such function, or one that takes something else
    │       ├── PluginRaisedError               the function raised
    │       ├── PluginResultError               what it returned is not what it declares, or too large
    │       ├── PluginTeardownError             its teardown() raised
    │       ├── PluginLimitError                it was stopped by a limit, or broke its interpreter
    │       ├── PluginRecursionError            the call came out of a call of the same plugin
    │       └── PluginSuspendedError            it failed too often; `Plugin.resume` lets it go on
    ├── ClosedError                             a sandbox or session used after its end
    ├── HostFunctionError                       a call of a function of the host failed
    │   └── GuestVisibleError                   raised by such a function; its message is for the guest
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
    from wasihost.plugins.lack import Lack
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


class InvalidSessionError(ConfigError):
    """A file is no saved session, was damaged, or says of itself what cannot be."""


class InvalidFunctionError(ConfigError):
    """A function cannot be given to guests as it is declared; the message names function and parameter."""


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


class UnusableSessionError(RuntimeUnavailableError):
    """A session was saved on another runtime, image or version than those that are here; the message says which."""


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


class PluginError(WasiHostError):
    """Something is wrong with a plugin, or between it and the host."""


class InvalidPluginError(PluginError, ConfigError):
    """A plugin's manifest or package is not what it should be; the message names file, line and field.

    Attributes:
        file: The file as the message calls it; "" when the mistake is not in a file.
        line: Line of the file, counted from 1; None when it is about no line of it.
        field: Dotted name of the field, as in `exports.count.parameters`; "" when it is about none.
    """

    def __init__(self, why: str, *, file: str = "", line: int | None = None, field: str = "") -> None:
        place = file if line is None else f"{file}:{line}"
        super().__init__(": ".join(part for part in (place, field, why) if part))
        self.file = file
        self.line = line
        self.field = field


class PluginGrantError(PluginError, ConfigError):
    """A plugin needs more than the host gives; the message names all of it.

    Attributes:
        missing: What is missing, a sentence each.
        lacks: The same in parts.
    """

    def __init__(self, message: str, *, missing: tuple[str, ...] = (), lacks: tuple[Lack, ...] = ()) -> None:
        super().__init__(message)
        self.missing = missing
        self.lacks = lacks


class PluginTargetError(PluginError, ConfigError):
    """A plugin cannot be written there: the folder is not empty, the zip would lie in the plugin, the disk is full."""


class PluginVersionError(PluginError, ConfigError):
    """A plugin has another version than was asked for."""


class PluginCallError(PluginError):
    """A call of a plugin's function did not give what it should. The host is as it was.

    Attributes:
        plugin: Name of the plugin.
        function: Name of the function, "" when it was about none.
        result: The run, None when it did not come to one. What stands in it is the plugin's word.
    """

    def __init__(self, message: str, *, plugin: str, function: str = "", result: RunResult | None = None) -> None:
        super().__init__(message)
        self.plugin = plugin
        self.function = function
        self.result = result


class UnknownExportError(PluginCallError):
    """The plugin's manifest exports no function of that name; the message lists those that it does."""


class PluginArgumentsError(PluginCallError):
    """The function was called with arguments that its manifest does not allow; nothing was run."""


class PluginImportError(PluginCallError):
    """The plugin's entry module could not be imported."""


class PluginSetupError(PluginCallError):
    """The plugin's `setup()` raised."""


class PluginExportError(PluginCallError):
    """The entry module has no such function, or one that takes something else than the manifest says."""


class PluginRaisedError(PluginCallError):
    """The plugin's function raised; `result.error` is the exception."""


class PluginResultError(PluginCallError):
    """The function returned what its manifest does not say, what has no form outside, or too much of it."""


class PluginTeardownError(PluginCallError):
    """The plugin's `teardown()` raised."""


class PluginLimitError(PluginCallError):
    """The plugin was stopped: by a limit, because it broke its interpreter, or because the call was cancelled."""


class PluginRecursionError(PluginCallError):
    """The plugin was called while a call of the same plugin waits for the caller: it would go on like that."""


class PluginSuspendedError(PluginCallError):
    """The plugin failed too often one time after the other; `Plugin.resume` lets it go on."""


class ClosedError(WasiHostError):
    """The object was closed before."""


class HostFunctionError(WasiHostError):
    """A call of a function of the host failed. Inside, all that such functions raise arrives under this name."""


class GuestVisibleError(HostFunctionError):
    """Raised by a function of the host to tell the guest something: it gets the message, word for word.

    Of any other exception the guest gets the name of the class only.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


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
