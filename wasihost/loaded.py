"""One version of a plugin, ready to be called: its modules, what it was given, and where its calls are made."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from wasihost import errors, kept
from wasihost.bundle import Bundle, has_data, read_checked, read_result
from wasihost.capabilities.preopen import Preopen
from wasihost.containment.job import Control
from wasihost.functions.mistakes import ArgumentsError, ReplyError
from wasihost.plugins.exports import shape_of
from wasihost.plugins.fields import printable
from wasihost.plugins.manifest import PLUGIN_GUEST
from wasihost.plugins.request import Grants, PluginRequest, resolve
from wasihost.result import Outcome, RunResult
from wasihost.runner import Program, Runner
from wasihost.runtime.default import DEFAULT_RUNTIME
from wasihost.sandbox import Sandbox, grant_functions, make_setup
from wasihost.session import BEYOND_REPAIR
from wasihost.source import Source

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from wasihost.bundle import Checked
    from wasihost.calling import Gate
    from wasihost.concurrency import Listener
    from wasihost.functions.declared import DeclaredShape
    from wasihost.functions.limits import FunctionLimits
    from wasihost.plugins.declared import Export
    from wasihost.plugins.package import PluginPackage
    from wasihost.progress import Progress
    from wasihost.runner import Containment
    from wasihost.session import Session

ERRORS: Final[Mapping[str, type[errors.PluginCallError]]] = MappingProxyType(
    {
        "import": errors.PluginImportError,
        "setup": errors.PluginSetupError,
        "export": errors.PluginExportError,
        "call": errors.PluginRaisedError,
        "result": errors.PluginResultError,
        "teardown": errors.PluginTeardownError,
    }
)
"""Which error belongs to the step that a plugin did not come through."""
_WHERE: Final = MappingProxyType(
    {
        "import": "when it was imported",
        "setup": "in setup()",
        "export": "when {} was looked for",
        "call": "in {}",
        "result": "when the result of {} was to be passed out",
        "teardown": "in teardown()",
    }
)
CHECK_BYTES: Final = 8 << 20
"""For the code of its modules; what does not fit is compiled at each call."""
LIFETIME_SECONDS: Final = 366 * 24 * 3600.0
"""The longest that there is: a plugin that keeps state ends when it is closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """Where and how the calls of a plugin are made.

    Attributes:
        grants: What the host gives.
        function_limits: Of its calls of functions of the host.
        gate: Decides about those.
        containment: As for `Sandbox`.
        require_walls: As for `Sandbox`.
        own_workers: Whether no other plugin is run in its workers.
        progress: Told about downloads and compilations.
        on_run: Told of each call with its run.
        on_stdout: Hears what calls write to standard output.
        on_stderr: Likewise for standard error.
    """

    grants: Grants
    function_limits: FunctionLimits | None
    gate: Gate | None
    containment: Containment
    require_walls: frozenset[str]
    own_workers: bool
    progress: Progress | None
    on_run: Callable[[str, RunResult], object] | None = None
    on_stdout: Listener | None = None
    on_stderr: Listener | None = None


class Loaded:
    """A version of a plugin. Thread-safe.

    Args:
        package: Its files.
        how: Where and how.

    Raises:
        PluginGrantError: It needs more than it is given.
        ConfigError, RuntimeUnavailableError, ImageBuildError, EngineError: It cannot be run here.
    """

    def __init__(self, package: PluginPackage, how: How) -> None:
        self.package = package
        self.manifest = package.manifest
        self.request = PluginRequest.of(package)
        self.resolved = resolve(self.request, how.grants)
        self.shapes = {export.name: shape_of(export) for export in self.manifest.exports}
        self._how = how
        self._bundle = Bundle(package)
        self._functions = grant_functions(self.resolved.functions, how.function_limits, how.gate)
        runtime = self.manifest.runtime or DEFAULT_RUNTIME
        self._setup = make_setup(
            limits=self.resolved.limits,
            runtime=runtime,
            image=self._image(runtime),
            containment=how.containment,
            workers=None,
            require_walls=how.require_walls,
            launcher=None,
        )
        self._lock = threading.Lock()
        self._runner: Runner | None = None
        self._sandbox: Sandbox | None = None
        self._session: Session | None = None
        self._has_modules = False
        self._is_closed = False
        self._folder: str | None = None
        self._drop_folder: weakref.finalize[..., Any] | None = None
        self._preopens = [*self.resolved.preopens]
        try:
            if has_data(package.files):
                self._preopens.append(Preopen(self._write(), PLUGIN_GUEST))
        except BaseException:
            self.close()
            raise

    def _image(self, runtime: str) -> str:
        """Return the image that it is started from, built if it is not there yet."""
        manifest = self.manifest
        if not manifest.dependencies:
            return self.resolved.image
        from wasihost.plugin_images import image_with  # most plugins bring nothing along

        return image_with(self.package, runtime=runtime, progress=self._how.progress)

    def _write(self) -> Path:
        """Write the plugin's files where they can be granted: as they were read, whatever happened to them since."""
        self._folder = tempfile.mkdtemp(prefix="wasihost-plugin-")
        self._drop_folder = weakref.finalize(self, _remove, self._folder, os.getpid())
        target = Path(self._folder) / "files"
        self.package.write(target)
        return target

    # -- calls --------------------------------------------------------------------------------------------------------

    def check(self) -> Checked:
        """Import the entry module in a fresh interpreter and hold its functions against the manifest.

        The code of its modules is kept for the calls to come.

        Raises:
            PluginCallError: It cannot be imported, or has other functions; the subclass says which.
        """
        names = [export.name for export in self.manifest.exports]
        hooks = [hook.function for hook in self.manifest.hooks if hook.function not in names]
        said, body = self._bundle.ask("check", *names, *hooks)
        result = self._run(said, body, Control(), None, is_check=True)
        value = self._answered(result, "")
        try:
            checked = read_checked(value)
        except ValueError as error:
            raise errors.PluginResultError(str(error), plugin=self.manifest.name, result=result) from None
        for export in self.manifest.exports:
            self._check_export(export, checked, result)
        for name in hooks:
            if checked.exports.get(name) is None:
                raise self._export_error(name, "its manifest names it as a hook, and the module has none", result)
        self._bundle = Bundle(self.package, code=checked.code)
        return checked

    def _check_export(self, export: Export, checked: Checked, result: RunResult) -> None:
        found = checked.exports.get(export.name)
        if found is None:
            raise self._export_error(export.name, "its manifest exports it, and the module has none", result)
        kinds = {name: kind for name, kind, _ in found}
        takes_any = "VAR_KEYWORD" in kinds.values()
        for parameter in export.parameters:
            if kinds.get(parameter.name) not in ("POSITIONAL_OR_KEYWORD", "KEYWORD_ONLY") and not takes_any:
                raise self._export_error(export.name, f"it does not take the parameter {parameter.name}", result)
        declared = {parameter.name: parameter for parameter in export.parameters}
        for name, kind, has_default in found:
            if kind in ("VAR_POSITIONAL", "VAR_KEYWORD") or has_default:
                continue
            if name not in declared:
                raise self._export_error(export.name, f"it needs {name}, which its manifest does not name", result)
            if not declared[name].required:
                raise self._export_error(export.name, f"it needs {name}, which can be left out by its manifest", result)

    def call(
        self,
        name: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        control: Control,
        loop: AbstractEventLoop | None,
    ) -> Any:  # noqa: ANN401 - what the function returns
        """Call a function, exported or of a hook.

        Raises:
            PluginCallError: It gave no result; the subclass says why.
            ClosedError: The plugin was closed.
            EngineError: The guest could not be set up.
        """
        shape = self.shapes.get(name)
        if shape is not None:
            try:
                args, kwargs = shape.bind([*args], kwargs)
            except ArgumentsError as error:
                raise errors.PluginArgumentsError(str(error), plugin=self.manifest.name, function=name) from None
        with self._in_turn():
            try:
                said, body = self._bundle.ask("call", name, list(args), kwargs, with_modules=not self._has_modules)
            except ReplyError as error:
                raise errors.PluginArgumentsError(
                    f"{name}() cannot be passed its arguments: {error}", plugin=self.manifest.name, function=name
                ) from None
            result = self._run(said, body, control, loop)
        if self._how.on_run is not None:
            self._how.on_run(name, result)
        return self._read(name, shape, result)

    def _read(self, name: str, shape: DeclaredShape | None, result: RunResult) -> Any:  # noqa: ANN401
        try:
            value = read_result(self._answered(result, name))
            if shape is not None:
                shape.reply(value)
        except (ValueError, ReplyError) as error:
            raise errors.PluginResultError(
                f"the plugin {self.manifest.name}: {error}", plugin=self.manifest.name, function=name, result=result
            ) from None
        return value

    def end(self) -> None:
        """Let a plugin that keeps its state call its `teardown()`.

        Raises:
            PluginCallError: It failed there.
        """
        with self._in_turn():
            if self._session is None or not self._has_modules:
                return
            said, body = self._bundle.ask("end", with_modules=False)
            result = self._run(said, body, Control(), None)
        self._answered(result, "")

    @contextlib.contextmanager
    def _in_turn(self) -> Any:  # noqa: ANN401 - a context manager
        """Let the calls of a plugin that keeps its state come one after the other."""
        if self.manifest.state == "kept":
            with self._lock:
                yield
        else:
            yield

    def _answered(self, result: RunResult, name: str) -> object:
        """Return what the guest answered.

        Raises:
            PluginCallError: It did not.
        """
        about = self.manifest.name
        if result.outcome is not Outcome.EXITED or result.rolled_back:
            why = result.detail or result.outcome.value
            undone = " (what it remembered is what it was before)" if result.rolled_back else ""
            raise errors.PluginLimitError(
                f"the plugin {about} was stopped: {why}{undone}", plugin=about, function=name, result=result
            )
        if result.value is None and result.error is None:
            raise errors.PluginLimitError(
                f"the plugin {about} ended its interpreter itself (os._exit)",
                plugin=about,
                function=name,
                result=result,
            )
        if result.exit_code == 0:
            return result.value
        step = result.value if isinstance(result.value, str) and result.value in ERRORS else "call"
        where = _WHERE[step].format(f"{name}()" if name else "it")
        if result.error is not None:
            words = f"raised {result.error.type}" + (f": {result.error.message}" if result.error.message else "")
            what = printable(words)
        else:
            what = "left its interpreter"
        raise ERRORS[step](f"the plugin {about} {what} {where}", plugin=about, function=name, result=result)

    def _export_error(self, name: str, why: str, result: RunResult) -> errors.PluginExportError:
        about = self.manifest.name
        return errors.PluginExportError(
            f"the plugin {about}, {name}(): {why}", plugin=about, function=name, result=result
        )

    # -- where they are made ------------------------------------------------------------------------------------------

    def _run(
        self,
        said: str,
        body: bytes,
        control: Control,
        loop: AbstractEventLoop | None,
        *,
        is_check: bool = False,
    ) -> RunResult:
        if self._is_closed:
            raise errors.ClosedError(f"the plugin {self.manifest.name} is closed")
        limits = self.resolved.limits
        is_heard = True
        if is_check:
            limits = replace(limits, value_bytes=max(limits.value_bytes, CHECK_BYTES))
            # One that keeps its state is imported then for all calls to come; another again in each of them.
            is_heard = self.manifest.state == "kept"
        on_stdout, on_stderr = (self._how.on_stdout, self._how.on_stderr) if is_heard else (None, None)
        if self.manifest.state == "kept":
            session = self._kept_session()
            result = session.call_plugin(
                said, body, limits=limits, control=control, loop=loop, on_stdout=on_stdout, on_stderr=on_stderr
            )
            self._has_modules = self._has_modules or not result.rolled_back
            if BEYOND_REPAIR in result.detail:  # it has broken what every call needs: the next one begins anew
                session.close()
            return result
        program = Program(
            source=Source(kind="plugin", text=body, name=PLUGIN_GUEST),
            args=(),
            inputs="{}",
            stdin=b"",
            env=self.resolved.env,
            limits=limits,
            on_stdout=on_stdout,
            on_stderr=on_stderr,
            functions=self._functions,
            loop=loop,
            plugin=said,
        )
        if not self._preopens and not self._how.own_workers:
            # All such plugins share workers: each call is a fresh interpreter anyway.
            with kept.borrow(self._setup, (), progress=self._how.progress) as runner:
                return runner.run(program, control)
        return self._own_runner().run(program, control)

    def _own_runner(self) -> Runner:
        with self._lock:
            if self._is_closed:
                raise errors.ClosedError(f"the plugin {self.manifest.name} is closed")
            if self._runner is None:
                self._runner = Runner(self._setup, self._preopens, progress=self._how.progress)
            return self._runner

    def _kept_session(self) -> Session:
        """Return the session that remembers, a new one when the one before was lost; in turn."""
        if self._session is None or not self._session.is_open:
            if self._sandbox is None:
                self._sandbox = Sandbox(
                    preopens=self._preopens,
                    env=self.resolved.env,
                    limits=self.resolved.limits,
                    runtime=self._setup.runtime,
                    image=self._setup.image,
                    containment=self._setup.containment,
                    workers=1,
                    require_walls=self._how.require_walls,
                    functions=self.resolved.functions,
                    function_limits=self._how.function_limits,
                    gate=self._how.gate,
                    progress=self._how.progress,
                )
            self._has_modules = False
            self._session = self._sandbox.session(idle_seconds=LIFETIME_SECONDS, lifetime_seconds=LIFETIME_SECONDS)
        return self._session

    def close(self) -> None:
        """End what is kept for the plugin; calls that are under way end first."""
        with self._lock:
            self._is_closed = True
            runner, self._runner = self._runner, None
            sandbox, self._sandbox = self._sandbox, None
            self._session = None
        try:
            if runner is not None:
                runner.close()
            if sandbox is not None:
                sandbox.close()
        finally:
            if self._drop_folder is not None:
                self._drop_folder()


def _remove(folder: str, owner: int) -> None:
    """At the latest when the process ends; a forked child leaves its parent's folder alone."""
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)
