"""`run_wasm_python`: one program, one call."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wasihost import kept
from wasihost.capabilities.grants import check_env
from wasihost.capabilities.preopen import Preopen, Scratch
from wasihost.limits import Limits
from wasihost.result import RunResult
from wasihost.runner import Containment
from wasihost.sandbox import HostStdin, check_limits, grant_functions, make_program, make_setup, resolve_profile

if TYPE_CHECKING:
    from wasihost.calling import Gate
    from wasihost.capabilities.profile import Profile
    from wasihost.containment.launchers import Launcher
    from wasihost.functions.function import HostFunction
    from wasihost.functions.limits import FunctionLimits
    from wasihost.images import Image
    from wasihost.progress import Progress


def run_wasm_python(
    code: str | bytes | None = None,
    *,
    script: str | os.PathLike[str] | None = None,
    module: str | None = None,
    args: Sequence[str] = (),
    stdin: bytes | str | HostStdin = b"",
    env: Mapping[str, str] | None = None,
    inputs: Mapping[str, Any] | None = None,
    preopens: Iterable[Preopen | Scratch] = (),
    limits: Limits | None = None,
    runtime: str | None = None,
    image: str | Image = "base",
    profile: str | os.PathLike[str] | Profile = "none",
    containment: Containment = "process",
    require_walls: Iterable[str] = (),
    launcher: Launcher | None = None,
    functions: Iterable[HostFunction | Callable[..., Any]] = (),
    function_limits: FunctionLimits | None = None,
    gate: Gate | None = None,
    filename: str = "<string>",
    on_stdout: Callable[[bytes], object] | None = None,
    on_stderr: Callable[[bytes], object] | None = None,
    progress: Progress | None = None,
    check: bool = False,
) -> RunResult:
    """Run one program in a fresh interpreter that can reach nothing but what is granted here.

    Workers are kept for later calls with the same runtime and directories. A granted path is looked up at each call and
    means what it means then; directories that were used before stay open for half a minute.

    Args:
        code: Python source; or `script`, or `module`. See `Sandbox.run` for the arguments of the program, and
            `Sandbox` for grants and limits.
        script: A Python file of the host.
        module: A module to run as `python -m` does.
        args: `sys.argv[1:]`.
        stdin: Standard input, or `INHERIT`.
        env: Environment variables.
        inputs: JSON values that become globals.
        preopens: Granted directories.
        limits: Budget; `Limits()` is finite in everything.
        runtime: Name of a runtime.
        image: Name of an image, or an `Image`.
        profile: Named grants and limits.
        containment: Where the guest runs: "process" or "in-process".
        require_walls: Names of walls without which nothing is to be run.
        launcher: What starts workers.
        functions: Functions of the host that the guest may call.
        function_limits: How often, how long and with how many bytes they may be called.
        gate: Sees each call before it is made, and can refuse it.
        filename: Name of `code` in tracebacks.
        on_stdout: Called with each piece of standard output as it is written.
        on_stderr: Likewise for standard error.
        progress: Told about downloads and compilations on first use.
        check: Raise unless the program exits with 0.

    Returns:
        The result, whatever the program did.

    Raises:
        ConfigError: An argument is wrong.
        RuntimeUnavailableError: The runtime cannot be had here and now.
        EngineError: No worker can be started, or a required wall is missing (`WallsMissingError`).
        RunFailedError: With `check`, the run did not exit with 0.
    """
    granted = resolve_profile(profile)
    limits = check_limits(limits, granted)
    program = make_program(
        code,
        limits=limits,
        env=dict(check_env({**granted.make_env(), **(env or {})})),
        functions=grant_functions(functions, function_limits, gate),
        script=script,
        module=module,
        args=args,
        stdin=stdin,
        inputs=inputs,
        filename=filename,
        on_stdout=on_stdout,
        on_stderr=on_stderr,
    )
    setup = make_setup(
        limits=limits,
        runtime=runtime,
        image=image,
        containment=containment,
        workers=None,
        require_walls=require_walls,
        launcher=launcher,
    )
    with kept.borrow(setup, [*granted.preopens, *preopens], progress=progress) as runner:
        result = runner.run(program)
    return result.check() if check else result
