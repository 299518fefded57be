"""Plugins: code of other people that an application calls, with what it was given and nothing else."""

from __future__ import annotations

import contextlib
import logging
import os
import stat
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Final, Self
from weakref import WeakKeyDictionary

from wasihost import errors
from wasihost.containment.job import Control, default_size
from wasihost.loaded import How, Loaded
from wasihost.plugins.contents import MAX_PLUGIN_FILES, is_left_out
from wasihost.plugins.declared import Export, Hook
from wasihost.plugins.package import INSTALLED, PluginPackage, open_any, open_package
from wasihost.plugins.request import Grants, PluginRequest

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Semaphore

    from wasihost.calling import Gate
    from wasihost.concurrency import Listener
    from wasihost.functions.limits import FunctionLimits
    from wasihost.plugins.declared import Capability, PluginManifest
    from wasihost.progress import Progress
    from wasihost.result import RunResult
    from wasihost.runner import Containment

MAX_FAILURES: Final = 3
"""After so many failed hooks one time after the other a plugin is suspended."""

_log: Final = logging.getLogger("wasihost")

Stamp = tuple[tuple[str, int, int, int], ...]
"""Names, sizes, times and numbers of files."""


class _Waiting:
    """A call that is under way. What functions of the host start meanwhile inherits it, and may outlast it."""

    __slots__ = ("plugin",)

    def __init__(self, plugin: Plugin) -> None:
        self.plugin: Plugin | None = plugin


_under_way: Final[ContextVar[frozenset[_Waiting]]] = ContextVar("wasihost-plugins", default=frozenset())
"""Calls that wait for the code in this context: it is in a function of the host that they made."""


@dataclass(frozen=True, slots=True)
class PluginFunction:
    """A function that a plugin exports. It can be called like one; `acall` is its asynchronous twin."""

    plugin: Plugin
    export: Export

    @property
    def name(self) -> str:
        """Its name."""
        return self.export.name

    @property
    def description(self) -> str:
        """What it does, in the words of the plugin's author."""
        return self.export.description

    @property
    def signature(self) -> str:
        """How it is called: `count(text, top=10)`."""
        return self.export.signature

    @property
    def parameters(self) -> dict[str, Any]:
        """JSON schema of the object of all arguments."""
        return self.export.schema

    @property
    def returns(self) -> dict[str, Any] | None:
        """JSON schema of what it returns; None when nothing is said."""
        return self.export.returns_said

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the plugin's
        """Call it; see `Plugin.call`."""
        return self.plugin.call(self.name, *args, **kwargs)

    async def acall(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the plugin's
        """Call it without blocking the event loop."""
        return await self.plugin.acall(self.name, *args, **kwargs)


class Plugin:
    """A plugin that was loaded: its exported functions can be called. Thread-safe; a context manager that closes it.

    Made by `load`. Each call gets a fresh interpreter, in which the entry module is imported, `setup()` is called if
    there is one, then the function, then `teardown()`; unless the manifest says `state = "kept"`: then there is one
    interpreter, `setup()` is called in it once and `teardown()` when the plugin is closed, and calls come one after the
    other. A call of that one that is stopped by a limit is undone.

    Plugins without folders share their workers. What one does cannot be seen by another.
    """

    def __init__(
        self, package: PluginPackage, how: How, *, path: Path | None, stamp: Stamp | None, max_failures: int
    ) -> None:
        self._how = how
        self._path = path
        self._hot_reload = stamp is not None
        self._stamp = stamp
        self._lock = threading.Lock()
        self._places: WeakKeyDictionary[AbstractEventLoop, Semaphore] = WeakKeyDictionary()
        """How many calls there may be at a time in a loop."""
        self._hooks: list[Hook] = []
        self._failures = 0
        self._is_suspended = False
        self.max_failures = max_failures
        """After so many failed hooks one time after the other it is suspended."""
        self.reload_error: errors.WasiHostError | None = None
        """Why a changed version was not taken over; None when none was refused."""
        self._loaded = self._checked(package)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str] | PluginPackage,
        *,
        grants: Grants | None = None,
        version: str | None = None,
        function_limits: FunctionLimits | None = None,
        gate: Gate | None = None,
        containment: Containment = "process",
        require_walls: Iterable[str] = (),
        own_workers: bool = False,
        hot_reload: bool = False,
        max_failures: int = MAX_FAILURES,
        progress: Progress | None = None,
        on_run: Callable[[str, RunResult], object] | None = None,
        on_stdout: Listener | None = None,
        on_stderr: Listener | None = None,
    ) -> Plugin:
        """Load a plugin: read it, decide what it gets, and look inside whether it has the functions that it exports.

        Args:
            path: Its folder, zip or wheel; `installed:NAME` for one of an installed distribution; or a package that was
                read before. `Plugin.request_of` shows what one asks for before it is loaded.
            grants: What the host gives; the plugin gets of it what it asks for. None: nothing, and the usual limits.
            version: The versions that will do, as in `>=1,<2`. None: any.
            function_limits: Of its calls of functions of the host.
            gate: Sees each of those calls, and can refuse it.
            containment: As for `Sandbox`.
            require_walls: As for `Sandbox`.
            own_workers: Run no other plugin in its workers. One without folders shares them otherwise, each call in a
                fresh interpreter; its own are a start of some 80 ms and 20 MB more.
            hot_reload: Look before each call whether its files have changed, and take the new version over if it can be
                loaded with the same grants; else the version before goes on, and `reload_error` says why. Only of one
                that is loaded from a folder, zip or wheel: another one never changes.
            max_failures: After so many failed hooks one time after the other it is suspended.
            progress: Told about downloads and compilations on first use.
            on_run: Called after each call with the function's name and the run, on the thread that made it: for output,
                fuel, memory, times, and calls of functions of the host. What it raises is raised by the call.
            on_stdout: Called with each piece of standard output as a call writes it, in order, on this or another
                thread; what it raises ends the call with `PluginLimitError`. It cannot call this plugin. What the
                plugin writes when it is merely looked at is not heard.
            on_stderr: Likewise for standard error.

        Raises:
            InvalidPluginError: It is no plugin, or its manifest is not what it should be.
            PluginGrantError: It needs more than it is given; the message names all of it.
            PluginVersionError: It has another version.
            PluginCallError: It cannot be imported, or lacks what it exports (the subclass says which).
            ConfigError: Another argument is wrong.
            ImageBuildError: The packages that it brings cannot be had together.
            RuntimeUnavailableError, EngineError: It cannot be run here.
        """
        if isinstance(max_failures, bool) or not isinstance(max_failures, int) or max_failures < 1:
            raise errors.ConfigError(f"max_failures must be a whole number from 1 on, not {max_failures!r}")
        if grants is not None and not isinstance(grants, Grants):
            raise errors.ConfigError(f"grants must be a Grants, not {type(grants).__name__}")
        place: Path | None = None
        # Before the files are read: what is written meanwhile is a change.
        if not isinstance(path, PluginPackage) and not str(path).startswith(INSTALLED):
            place = Path(os.path.abspath(path))  # noqa: PTH100 - the current folder may change, links stay as they are
        stamp = _stamp_of(place) if place is not None and hot_reload else None
        package = path if isinstance(path, PluginPackage) else open_any(path)
        _check_version(package, version)
        how = How(
            grants=grants or Grants(),
            function_limits=function_limits,
            gate=gate,
            containment=containment,
            require_walls=frozenset([require_walls] if isinstance(require_walls, str) else require_walls),
            own_workers=own_workers,
            progress=progress,
            on_run=on_run,
            on_stdout=on_stdout,
            on_stderr=on_stderr,
        )
        return cls(package, how, path=place, stamp=stamp, max_failures=max_failures)

    @staticmethod
    def request_of(path: str | os.PathLike[str] | PluginPackage) -> PluginRequest:
        """Return what a plugin asks for, to be shown to a person (`str()` of it); nothing of it is run.

        Raises:
            InvalidPluginError: It is no plugin, or its manifest is not what it should be.
        """
        return PluginRequest.of(path if isinstance(path, PluginPackage) else open_any(path))

    def _checked(self, package: PluginPackage) -> Loaded:
        loaded = Loaded(package, self._how)
        try:
            loaded.check()
        except BaseException:
            loaded.close()
            raise
        return loaded

    # -- what it is ---------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Its name."""
        return self.manifest.name

    @property
    def version(self) -> str:
        """Its version."""
        return self.manifest.version

    @property
    def manifest(self) -> PluginManifest:
        """What it says of itself."""
        return self._loaded.manifest

    @property
    def request(self) -> PluginRequest:
        """What it asked for."""
        return self._loaded.request

    @property
    def withheld(self) -> tuple[Capability, ...]:
        """What it asked for, can do without, and did not get."""
        return self._loaded.resolved.withheld

    @property
    def functions(self) -> Mapping[str, PluginFunction]:
        """The functions that it exports, by their names."""
        return MappingProxyType({export.name: PluginFunction(self, export) for export in self.manifest.exports})

    # -- calls --------------------------------------------------------------------------------------------------------

    def call(self, function: str, /, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the plugin's
        """Call an exported function and return what it returns.

        Args:
            function: Its name.
            *args: Its arguments, in the order of the manifest.
            **kwargs: Its arguments, by name.

        Returns:
            What its manifest says: lists, dicts, str, int, float, bool, None, bytes, datetime, date, time, timedelta,
            Decimal and UUID.

        Raises:
            PluginCallError: It gave no result; the subclass says why.
            ClosedError: It was closed.
            EngineError: The guest could not be set up.
            KeyboardInterrupt: Ctrl-C; the call is stopped first.
        """
        return self._call(function, args, kwargs, Control(), None)

    async def acall(self, function: str, /, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the plugin's
        """Call an exported function without blocking the event loop; cancelling the task stops the call.

        Coroutine functions of the host that the plugin calls are run on this loop.
        """
        return await self._acall(function, args, kwargs)

    async def _acall(
        self, function: str, args: tuple[Any, ...], kwargs: dict[str, Any], *, exported: bool = True
    ) -> Any:  # noqa: ANN401
        import asyncio  # takes milliseconds

        from wasihost.concurrency import call_in_loop

        loop = asyncio.get_running_loop()
        # As many threads as there are workers, and a few that wait for functions of the host.
        places = self._places.setdefault(loop, asyncio.Semaphore(4 * default_size()))
        await places.acquire()
        return await call_in_loop(
            lambda control, _out, _err: self._call(function, args, kwargs, control, loop, exported=exported),
            None,
            None,
            unstarted=places.release,
            settled=places.release,
        )

    def _call(
        self,
        function: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        control: Control,
        loop: AbstractEventLoop | None,
        *,
        exported: bool = True,
    ) -> Any:  # noqa: ANN401
        if exported:  # a hook's caller has looked
            self._look_for_changes()
        loaded = self._loaded
        while True:
            if exported and function not in loaded.shapes:
                name, known = loaded.manifest.name, ", ".join(loaded.shapes) or "none at all"
                raise errors.UnknownExportError(
                    f"the plugin {name} exports no function {function!r:.100}; it exports {known}",
                    plugin=name, function=str(function)[:100],
                )  # fmt: skip
            try:
                with self._mark(function):
                    return loaded.call(function, args, kwargs, control=control, loop=loop)
            except errors.ClosedError:
                if self._loaded is loaded:
                    raise
                loaded = self._loaded  # another version was taken over at this moment, maybe with other exports

    @contextlib.contextmanager
    def _mark(self, function: str) -> Iterator[None]:
        """Let functions of the host that are called meanwhile know that this plugin waits for them."""
        self._refuse_inside("calls it again", function)
        waiting = _Waiting(self)
        token = _under_way.set(frozenset({waiting, *(each for each in _under_way.get() if each.plugin is not None)}))
        try:
            yield
        finally:
            waiting.plugin = None
            _under_way.reset(token)

    def _is_waiting(self) -> bool:
        """Whether a call of this plugin waits for the code in this context."""
        return any(waiting.plugin is self for waiting in _under_way.get())

    def _refuse_inside(self, what: str, function: str = "") -> None:
        if self._is_waiting():
            raise errors.PluginRecursionError(
                f"the plugin {self.name} waits for the function of the host that {what}",
                plugin=self.name, function=function,
            )  # fmt: skip

    # -- hooks --------------------------------------------------------------------------------------------------------

    @property
    def hooks(self) -> tuple[Hook, ...]:
        """What it listens to: what its manifest says, and what was added by `on`; by priority."""
        found = [*self.manifest.hooks, *self._hooks]
        return tuple(sorted(found, key=lambda hook: hook.priority))

    def on(self, event: str, function: str, *, priority: int = 100) -> None:
        """Let a function of the plugin be called when something happens (`Plugins.emit`).

        Args:
            event: What happens.
            function: An exported function, or one of the manifest's hooks.
            priority: Whose turn it is: lower numbers come first.

        Raises:
            UnknownExportError: It has no such function.
            ConfigError: The event or the priority is something else.
        """
        if not isinstance(event, str) or not event or not isinstance(priority, int) or isinstance(priority, bool):
            raise errors.ConfigError("an event is a text, and a priority is a whole number")
        if function not in self._loaded.shapes and all(hook.function != function for hook in self.manifest.hooks):
            raise errors.UnknownExportError(
                f"the plugin {self.name} exports no function {function!r:.100}", plugin=self.name, function=function
            )
        hook = Hook(event=event, function=function, priority=priority)
        self.off(event, function)
        self._hooks.append(hook)

    def off(self, event: str, function: str) -> None:
        """Take back what `on` did; what the manifest says stays."""
        self._hooks = [hook for hook in self._hooks if (hook.event, hook.function) != (event, function)]

    def call_hook(self, function: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ANN401
        """Call a function for an event, and count how it goes.

        Raises:
            PluginSuspendedError: It is not called any more.
            PluginCallError, EngineError: As `call`.
        """
        self._look_for_changes()
        self._check_suspended(function)
        with self._counted(function):
            return self._call(function, args, kwargs, Control(), None, exported=False)

    async def acall_hook(self, function: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ANN401
        """Like `call_hook`, without blocking the event loop."""
        if self._hot_reload:
            import asyncio

            await asyncio.to_thread(self._look_for_changes)
        self._check_suspended(function)
        with self._counted(function):
            return await self._acall(function, args, kwargs, exported=False)

    def _check_suspended(self, function: str) -> None:
        if self._is_suspended:
            raise errors.PluginSuspendedError(
                f"the plugin {self.name} failed {self._failures} times one after the other; resume() lets it go on",
                plugin=self.name, function=function,
            )  # fmt: skip

    @contextlib.contextmanager
    def _counted(self, function: str) -> Iterator[None]:
        try:
            yield
        except errors.PluginRecursionError:
            raise  # the application's doing
        except errors.PluginCallError as error:
            self._failures += 1
            self._is_suspended = self._failures >= self.max_failures
            _log.warning("a hook of the plugin %s failed, %s(): %s", self.name, function, error)
            raise
        else:
            self._failures = 0

    @property
    def failures(self) -> int:
        """How many hooks failed one time after the other."""
        return self._failures

    @property
    def suspended(self) -> bool:
        """Whether its hooks are not called any more, because they failed too often. Exports can be called."""
        return self._is_suspended

    def resume(self) -> None:
        """Let a suspended plugin go on; its failures count from nought."""
        self._failures = 0
        self._is_suspended = False

    # -- changes ------------------------------------------------------------------------------------------------------

    def reload(self) -> bool:
        """Read the plugin again, and go on with what it is now; return whether it is another version.

        Grants stay what they are, so one that asks for more than was given is refused. Calls that are under way end
        with the version before. A plugin that keeps its state begins anew, after `teardown()` of the one before.

        Raises:
            ConfigError: It was not loaded from a path.
            PluginError: It cannot be loaded as it is now; the version before goes on.
        """
        if self._path is None:
            raise errors.ConfigError(f"the plugin {self.name} was not loaded from a path, so it cannot be read again")
        with self._lock:
            return self._reload(self._path)

    def _reload(self, path: Path) -> bool:
        self._refuse_inside("reads it again")
        try:
            package = open_package(path)
            before = self._loaded
            if package.digest == before.package.digest:
                return False
            if package.manifest.name != before.manifest.name:
                raise errors.InvalidPluginError(
                    f"the plugin that was {before.manifest.name} calls itself {package.manifest.name} now",
                    file=package.origin,
                )
            self._loaded = self._checked(package)
        except errors.WasiHostError as error:
            self.reload_error = error
            raise
        self.reload_error = None
        self.resume()
        self._end(before)
        return True

    def _look_for_changes(self) -> None:
        if not self._hot_reload or self._path is None or self._is_waiting():
            return
        stamp = _stamp_of(self._path)
        if stamp == self._stamp:
            return
        with self._lock:
            if stamp == self._stamp:
                return
            self._stamp = stamp
            try:
                if self._reload(self._path):
                    _log.info("the plugin %s is %s now", self.name, self.version)
            except errors.WasiHostError as error:
                _log.warning("the plugin %s was changed, and goes on as it was: %s", self.name, error)

    # -- life ---------------------------------------------------------------------------------------------------------

    def end(self) -> None:
        """Close it; what it does in its `teardown()` is logged.

        Raises:
            PluginRecursionError: The caller is a function of the host that the plugin waits for.
        """
        self._refuse_inside("closes it")
        self._end(self._loaded)

    @staticmethod
    def _end(loaded: Loaded) -> None:
        """End a version that nobody calls any more; what it does in its `teardown()` harms nobody."""
        try:
            loaded.end()
        except errors.WasiHostError as error:
            _log.warning("the plugin %s failed at its end: %s", loaded.manifest.name, error)
        loaded.close()

    def close(self) -> None:
        """End it; one that keeps its state calls its `teardown()`. Calls that are under way end first.

        Raises:
            PluginRecursionError: The caller is a function of the host that the plugin waits for.
            PluginCallError: It failed in `teardown()`; it is closed all the same.
        """
        self._refuse_inside("closes it")
        loaded = self._loaded
        try:
            loaded.end()
        except errors.ClosedError:
            pass
        finally:
            loaded.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self.end()  # the error that is under way is the one to be seen

    def __repr__(self) -> str:
        state = ", suspended" if self._is_suspended else ""
        return f"<Plugin {self.name} {self.version}{state}>"


def _check_version(package: PluginPackage, wanted: str | None) -> None:
    if wanted is None:
        return
    from packaging.specifiers import InvalidSpecifier, SpecifierSet  # few ask

    try:
        range_ = SpecifierSet(wanted)
    except (InvalidSpecifier, TypeError):
        raise errors.ConfigError(f'version must be a range such as ">=1,<2", not {wanted!r}') from None
    manifest = package.manifest
    if not range_.contains(manifest.version, prereleases=True):
        raise errors.PluginVersionError(f"the plugin {manifest.name} is {manifest.version}, and {wanted} is wanted")


def _stamp_of(path: Path) -> Stamp:
    """What changes when a plugin's files do: names, sizes and times.

    Links within are not followed, and more than a plugin may hold is not looked at: neither can be loaded.
    """
    found: list[tuple[str, int, int, int]] = []
    waiting = [path]
    while waiting and len(found) <= 2 * MAX_PLUGIN_FILES:
        place = waiting.pop()
        try:
            status = place.stat() if place is path else place.lstat()
            found.append((str(place), status.st_size, status.st_mtime_ns, status.st_ino))
            if stat.S_ISDIR(status.st_mode):
                left = 2 * MAX_PLUGIN_FILES - len(waiting)
                waiting += [each for each in islice(place.iterdir(), max(0, left)) if not is_left_out(each.name)]
        except OSError:  # it goes away just now
            found.append((str(place), -1, -1, -1))
    return tuple(sorted(found))
