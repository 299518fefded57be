"""Programs that start a worker inside one more wall: bubblewrap, a container engine, a kernel in user space."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from wasihost.containment.job import PROCESS_WALLS
from wasihost.containment.walls.enclosure import WALLS
from wasihost.errors import ConfigError, EngineError

Template = tuple[str | tuple[str, ...], ...]

DEFAULT_IMAGE: Final = "debian:stable-slim"
"""The image of containers, unless said otherwise. Nothing of it is used but its folders."""

_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,31}")
_PLACEHOLDER: Final = re.compile(r"\{([a-z_]+)\}")
_ONE_WORD: Final = ("uid", "gid", "memory_bytes", "name")
_PATHS: Final = ("read", "write")
_IMAGE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,254}")
_PROGRAM: Final = re.compile(r"[A-Za-z0-9/][A-Za-z0-9._/+-]{0,254}")


class Launch(NamedTuple):
    """A launcher made ready for one worker.

    Attributes:
        name: The launcher's name.
        argv: What to start, its program by its full path.
        environment: What that program gets of this process's environment.
        stop: What to start when the worker has to end and killing `argv`'s process is not enough; empty if it is.
        by_path: Whether directories are mounted by name, and descriptors do not reach the worker.
    """

    name: str
    argv: list[str]
    environment: dict[str, str]
    stop: list[str]
    by_path: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Launcher:
    """How to start a worker inside one more wall: a command line with gaps. There is no shell anywhere.

    The program has to pass on standard input and output unchanged and to end when the worker ends. When it is killed,
    the worker must end too: by itself, or by `stop_template`.

    In every word, `{uid}` and `{gid}` are those of this process, `{memory_bytes}` what a worker may come to use in
    all, and `{name}` a new name for each worker. Further:

    * the word `{worker}` stands for the worker's own command line, several words;
    * a tuple among the words is repeated for each path: with `{read}` in it for those that the worker reads (its
      Python, this package, the runtime), with `{write}` for those that it changes.

    Attributes:
        name: What the wall is called in `Sandbox.walls` and `require_walls`.
        argv_template: The command line.
        by_path: Granted directories are mounted, each at its own path, and the worker opens them by that: for
            launchers that pass on pipes. False: the worker gets them as open descriptors, and they need not be
            mounted, because this process's own socket is what the worker talks to.
        stop_template: A command that ends a worker whose launcher was killed; empty when it ends by itself.
        environment: Names of the variables that the launcher, not the worker, needs of this process's environment.
        not_in_paths: Characters that no mounted path may hold, because they mean something in the command line.

    Raises:
        ConfigError: A part of it is wrong.
    """

    name: str
    argv_template: Template
    by_path: bool = False
    stop_template: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    not_in_paths: str = ""

    def __post_init__(self) -> None:
        _check_name(self.name)
        words = _frozen("argv_template", self.argv_template)
        stop = _frozen("stop_template", self.stop_template)
        for field, value in (("argv_template", words), ("stop_template", stop)):
            object.__setattr__(self, field, value)
        object.__setattr__(self, "environment", _frozen("environment", self.environment))
        if any(isinstance(word, tuple) for word in (*stop, *self.environment)):
            raise ConfigError("a launcher's stop_template and environment are plain words")
        if not isinstance(self.by_path, bool) or not isinstance(self.not_in_paths, str):
            raise ConfigError("a launcher's by_path is True or False, and its not_in_paths is text")
        _check_words(words, stop)

    def argv(
        self,
        worker: Sequence[str],
        *,
        read: Sequence[str] = (),
        write: Sequence[str] = (),
        memory_bytes: int = 2**30,
        name: str = "wasihost",
    ) -> list[str]:
        """Return the command line.

        Args:
            worker: The worker's own command line.
            read: Absolute paths of files and folders that it reads.
            write: Absolute paths of folders that it changes; one that is in both is here only.
            memory_bytes: What it may come to use in all.
            name: Its name.

        Raises:
            ConfigError: A path holds a character that this launcher cannot take.
        """
        for path in (*read, *write):
            self._check_path(path)
        paths = {"read": _without_inner(read, write), "write": sorted(set(write))}
        values = {"uid": str(_own("getuid")), "gid": str(_own("getgid")), "memory_bytes": str(memory_bytes)}
        values["name"] = name
        words: list[str] = []
        for part in self.argv_template:
            if isinstance(part, tuple):
                kind = _kind_of(part)
                words += [_filled(word, {**values, kind: path}) for path in paths[kind] for word in part]
            elif part == "{worker}":
                words += worker
            else:
                words.append(_filled(part, values))
        return words

    def launch(self, worker: Sequence[str], *, read: Sequence[str], write: Sequence[str], memory_bytes: int) -> Launch:
        """Return what to start for a new worker; the arguments are those of `argv`.

        Raises:
            ConfigError: A path holds a character that this launcher cannot take.
            EngineError: The program of the launcher is not on this machine.
        """
        name = f"wasihost-{os.urandom(8).hex()}"
        argv = self.argv(worker, read=read, write=write, memory_bytes=memory_bytes, name=name)
        argv[0] = self._program(argv[0])
        stop = [_filled(word, {"name": name}) for word in self.stop_template]
        if stop:
            stop[0] = self._program(stop[0])
        environment = {name: os.environ[name] for name in self.environment if name in os.environ}
        return Launch(self.name, argv, environment, stop, self.by_path)

    def _check_path(self, path: str) -> None:
        if not path.startswith("/") or "\0" in path:
            raise ConfigError(f"the launcher {self.name} mounts absolute paths only, not {path!r}")
        for character in self.not_in_paths:
            if character in path:
                raise ConfigError(
                    f"the launcher {self.name} cannot mount {path!r}: its name holds {character!r}; rename it"
                )

    def _program(self, program: str) -> str:
        import shutil

        found = shutil.which(program)
        if found is None:
            raise EngineError(
                f"the launcher {self.name} needs the program {program}, which is not on the PATH: install it first"
            )
        return os.path.abspath(found)  # noqa: PTH100 - text in, text out


def docker_launcher(
    *,
    image: str = DEFAULT_IMAGE,
    memory_bytes: int | None = None,
    cpus: float = 1.0,
    runtime: str | None = None,
    program: str = "docker",
    name: str | None = None,
) -> Launcher:
    """Return a launcher that gives each worker a hardened container of its own.

    The container has no network, no capabilities, a read-only root, and of the host what the worker reads (this
    Python, the system's shared libraries, this package, the runtime), mounted read-only over the image, besides the
    granted directories. So the image needs nothing of its own: any Linux image serves that declares no VOLUME. It has
    to be there already, nothing is pulled. The engine has to run on this machine, where those paths are.

    Args:
        image: Its name.
        memory_bytes: Memory of a container; None: what the limits of its sandbox need.
        cpus: How many cores a container may keep busy.
        runtime: A runtime that the engine knows, such as "runsc"; None: its default.
        program: The engine's client: "docker", "podman" or a path.
        name: Name of the wall; None: that of the runtime, or of the program.

    Raises:
        ConfigError: An argument is wrong.
    """
    if not isinstance(image, str) or not _IMAGE.fullmatch(image):
        raise ConfigError(f"{image!r} is no name of an image")
    if not isinstance(program, str) or not _PROGRAM.fullmatch(program):
        raise ConfigError(f"{program!r} is no program")
    if runtime is not None and (not isinstance(runtime, str) or not _PROGRAM.fullmatch(runtime)):
        raise ConfigError(f"{runtime!r} is no name of a container engine's runtime")
    if memory_bytes is not None and (type(memory_bytes) is not int or memory_bytes < 2**26):
        raise ConfigError(f"memory_bytes of a container must be a whole number from {2**26}, not {memory_bytes!r}")
    if isinstance(cpus, bool) or not isinstance(cpus, int | float) or not 0.01 <= cpus <= 1024:
        raise ConfigError(f"cpus of a container must be a number from 0.01 to 1024, not {cpus!r}")
    memory = "{memory_bytes}" if memory_bytes is None else str(memory_bytes)
    return Launcher(
        name=name or os.path.basename(runtime or program),  # noqa: PTH119 - text in, text out
        argv_template=(
            program, "run", "--rm", "--interactive", "--name", "{name}", "--pull", "never",
            *(() if runtime is None else ("--runtime", runtime)),
            # As process 1 a worker would be deaf to the alarm that ends it should this process be gone.
            "--init",
            "--network", "none",
            "--ipc", "none",
            "--read-only",
            "--cap-drop", "ALL",
            "--security-opt", "no-new-privileges",
            "--user", "{uid}:{gid}",
            "--memory", memory, "--memory-swap", memory,
            "--cpus", f"{cpus:g}",
            "--pids-limit", "64",
            "--log-driver", "none",
            "--no-healthcheck",
            "--workdir", "/",
            "--entrypoint", "",
            ("--mount", "type=bind,source={read},target={read},readonly"),
            ("--mount", "type=bind,source={write},target={write}"),
            image,
            "{worker}",
        ),
        by_path=True,
        stop_template=(program, "rm", "--force", "{name}"),
        environment=(
            "PATH", "HOME", "XDG_RUNTIME_DIR", "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_CERT_PATH",
            "DOCKER_TLS_VERIFY", "CONTAINER_HOST",
        ),
        not_in_paths=',"\n\r',
    )  # fmt: skip


# -- checking ---------------------------------------------------------------------------------------------------------


def _check_name(name: object) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ConfigError(f"a launcher's name must be like bwrap: lower-case letters, digits and -, not {name!r}")
    if name in (*PROCESS_WALLS, *WALLS):
        raise ConfigError(f"a launcher cannot be called {name}: another wall has that name")


def _frozen(field: str, words: Any) -> Any:  # noqa: ANN401 - whatever was passed; tuples come back
    if isinstance(words, str) or not isinstance(words, Sequence):
        raise ConfigError(f"a launcher's {field} must be a tuple of words, not {words!r}")
    frozen: list[str | tuple[str, ...]] = []
    for word in words:
        if isinstance(word, str):
            if "\0" in word:
                raise ConfigError(f"a launcher's {field} holds a null character")
            frozen.append(word)
        elif field == "argv_template" and isinstance(word, Sequence) and all(isinstance(inner, str) for inner in word):
            frozen.append(tuple(word))
        else:
            raise ConfigError(f"a launcher's {field} must be a tuple of words, not {word!r} in it")
    return tuple(frozen)


def _check_words(words: Template, stop: tuple[str, ...]) -> None:
    if words.count("{worker}") != 1:
        raise ConfigError("a launcher's argv_template must hold the word {worker} once")
    if not isinstance(words[0], str) or not words[0] or _PLACEHOLDER.search(words[0]):
        raise ConfigError("a launcher's argv_template must begin with the name of a program")
    if stop and (not stop[0] or _PLACEHOLDER.search(stop[0])):
        raise ConfigError("a launcher's stop_template must begin with the name of a program")
    for word in words:
        if isinstance(word, tuple):
            kind = _kind_of(word)
            for inner in word:
                _check_placeholders(inner, (*_ONE_WORD, kind))
        elif word != "{worker}":
            _check_placeholders(word, _ONE_WORD)
    for word in stop:
        _check_placeholders(word, ("name",))


def _kind_of(words: tuple[str, ...]) -> str:
    """Return what a group is repeated for: "read" or "write"."""
    kinds: set[str] = {name for word in words for name in _PLACEHOLDER.findall(word) if name in _PATHS}
    if len(kinds) != 1:
        raise ConfigError(f"a group of words in a launcher's argv_template needs {{read}} or {{write}}: {words!r}")
    return kinds.pop()


def _check_placeholders(word: str, known: Sequence[str]) -> None:
    for name in _PLACEHOLDER.findall(word):
        if name in known:
            continue
        if name in _PATHS:
            raise ConfigError(f"{{{name}}} belongs in a group of a launcher's argv_template, as in ({word!r},)")
        if name == "worker":
            raise ConfigError("{worker} is a word of its own, and not part of another")
        raise ConfigError(f"{{{name}}} in a launcher means nothing here; known are {', '.join(known)}")


# -- filling in -------------------------------------------------------------------------------------------------------


def _filled(word: str, values: dict[str, str]) -> str:
    """Replace every placeholder at once, so that what is put in is not looked at again."""
    return _PLACEHOLDER.sub(lambda found: values[found.group(1)], word)


def _without_inner(read: Sequence[str], write: Sequence[str]) -> list[str]:
    """Leave out what is mounted with another path anyway, and what is mounted writable."""
    kept: list[str] = []
    writable = set(write)
    for path in sorted(set(read) - writable):
        above = _nearest_above(path, {*kept, *writable})
        if above is None or above in writable:
            kept.append(path)
    return kept


def _nearest_above(path: str, among: set[str]) -> str | None:
    # Not every root is "/": POSIX gives "//" a meaning of its own, and it is its own parent too.
    while (above := os.path.dirname(path)) != path:  # noqa: PTH120 - text in, text out
        if above in among:
            return above
        path = above
    return None


def _own(function: str) -> int:
    found = getattr(os, function, None)
    return 0 if found is None else int(found())


# -- ready-made --------------------------------------------------------------------------------------------------------


BWRAP: Final = Launcher(
    name="bwrap",
    argv_template=(
        "bwrap",
        "--unshare-all",
        "--die-with-parent",
        "--new-session",
        "--cap-drop", "ALL",
        "--clearenv",
        "--proc", "/proc",
        "--dev-bind", "/dev/null", "/dev/null",
        ("--ro-bind", "{read}", "{read}"),
        "--remount-ro", "/",
        "--chdir", "/",
        "--",
        "{worker}",
    ),
)  # fmt: skip
"""bubblewrap: namespaces of its own for files, processes, network, users; of the host's files only what the worker
reads. Needs bubblewrap 0.5 and user namespaces, and no root. Granted directories come as open descriptors."""

DOCKER: Final = docker_launcher()
"""A hardened container of `DEFAULT_IMAGE` for each worker; `docker_launcher` makes others."""

RUNSC: Final = docker_launcher(runtime="runsc")
"""The same with gVisor, a kernel in user space: needs `runsc` among the runtimes of the Docker engine."""

READY_MADE: Final = {launcher.name: launcher for launcher in (BWRAP, DOCKER, RUNSC)}
"""By name, as the command line knows them."""
