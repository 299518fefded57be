"""Launchers as values: command lines word by word, and everything that is refused."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wasihost import BWRAP, DOCKER, RUNSC, Launcher, docker_launcher
from wasihost.containment import belongings, spawner
from wasihost.errors import ConfigError, EngineError

WORKER = ["/usr/bin/python3", "-c", "{read} {uid} $HOME; `x`"]
ME = f"{os.getuid()}:{os.getgid()}"


def make(*words: Any, name: str = "wall", **more: Any) -> Launcher:
    return Launcher(name=name, argv_template=words, **more)


# -- the ready-made ones ----------------------------------------------------------------------------------------------


def test_bwrap_word_by_word() -> None:
    assert BWRAP.argv(WORKER, read=["/usr/lib", "/lib"], write=["/never/mounted"]) == [
        "bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv",
        "--proc", "/proc", "--dev-bind", "/dev/null", "/dev/null",
        "--ro-bind", "/lib", "/lib", "--ro-bind", "/usr/lib", "/usr/lib",
        "--remount-ro", "/", "--chdir", "/", "--", *WORKER,
    ]  # fmt: skip


def docker_words(*extra: str, memory: str, cpus: str = "1", image: str = "debian:stable-slim") -> list[str]:
    return [
        "docker", "run", "--rm", "--interactive", "--name", "one", "--pull", "never", *extra, "--init",
        "--network", "none", "--ipc", "none", "--read-only", "--cap-drop", "ALL",
        "--security-opt", "no-new-privileges", "--user", ME, "--memory", memory, "--memory-swap", memory,
        "--cpus", cpus, "--pids-limit", "64", "--log-driver", "none", "--no-healthcheck", "--workdir", "/",
        "--entrypoint", "",
        "--mount", "type=bind,source=/lib,target=/lib,readonly",
        "--mount", "type=bind,source=/out,target=/out",
        image, *WORKER,
    ]  # fmt: skip


def test_docker_word_by_word() -> None:
    argv = DOCKER.argv(WORKER, read=["/lib"], write=["/out"], memory_bytes=2**29, name="one")
    assert argv == docker_words(memory=str(2**29))
    assert DOCKER.by_path
    assert DOCKER.stop_template == ("docker", "rm", "--force", "{name}")


def test_runsc_is_docker_with_another_runtime() -> None:
    argv = RUNSC.argv(WORKER, read=["/lib"], write=["/out"], memory_bytes=2**29, name="one")
    assert argv == docker_words("--runtime", "runsc", memory=str(2**29))
    assert (DOCKER.name, RUNSC.name, BWRAP.name) == ("docker", "runsc", "bwrap")


def test_a_container_of_ones_own() -> None:
    launcher = docker_launcher(image="mine:1", memory_bytes=2**28, cpus=0.5, runtime="/opt/kata", name="mine")
    argv = launcher.argv(WORKER, read=["/lib"], write=["/out"], name="one")
    assert argv == docker_words("--runtime", "/opt/kata", memory=str(2**28), cpus="0.5", image="mine:1")
    assert launcher.name == "mine"
    assert docker_launcher(program="podman").argv(WORKER)[0] == "podman"
    assert docker_launcher(program="/usr/bin/podman").name == "podman"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"image": "--privileged"}, "is no name of an image"),
        ({"image": "a b"}, "is no name of an image"),
        ({"image": ""}, "is no name of an image"),
        ({"image": None}, "is no name of an image"),
        ({"program": "-x"}, "is no program"),
        ({"runtime": "--privileged"}, "is no name of a container engine's runtime"),
        ({"memory_bytes": 1}, "must be a whole number from"),
        ({"memory_bytes": True}, "must be a whole number from"),
        ({"memory_bytes": 2.0**30}, "must be a whole number from"),
        ({"cpus": 0}, "must be a number from"),
        ({"cpus": float("nan")}, "must be a number from"),
        ({"cpus": "1"}, "must be a number from"),
        ({"name": "landlock"}, "another wall has that name"),
    ],
)
def test_a_container_that_cannot_be(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        docker_launcher(**arguments)


# -- templates --------------------------------------------------------------------------------------------------------


def test_gaps_are_filled_once_and_the_worker_is_untouched() -> None:
    launcher = make(
        "run", "{uid}:{gid}", "-m{memory_bytes}", "{name}", ("-r", "{read}"), ["-w", "{write}={uid}"], "{worker}"
    )
    argv = launcher.argv(WORKER, read=["/{uid}"], write=["/{worker}", "/a"], memory_bytes=5, name="{gid}")
    assert argv == [
        "run", ME, "-m5", "{gid}", "-r", "/{uid}", "-w", f"/a={os.getuid()}", "-w", f"/{{worker}}={os.getuid()}",
        *WORKER,
    ]  # fmt: skip


def test_braces_that_are_no_placeholder_stay() -> None:
    assert make("x", "{{.Id}}", "{}", "{Read}", "{worker}").argv(["w"]) == ["x", "{{.Id}}", "{}", "{Read}", "w"]


@pytest.mark.parametrize(
    ("read", "write", "mounted"),
    [
        (["/a", "/a", "/a/b", "/ab"], [], (["/a", "/ab"], [])),
        (["/a", "/b"], ["/a"], (["/b"], ["/a"])),
        (["/a/b"], ["/a"], (["/a/b"], ["/a"])),
        (["/a", "/a/b/c"], ["/a/b"], (["/a", "/a/b/c"], ["/a/b"])),
        (["/", "/a"], ["/b", "/b"], (["/"], ["/b"])),
    ],
)
def test_each_path_is_mounted_once_and_as_it_was_granted(
    read: list[str], write: list[str], mounted: tuple[list[str], list[str]]
) -> None:
    argv = make("x", ("r", "{read}"), ("w", "{write}"), "{worker}").argv(["end"], read=read, write=write)
    pairs = list(zip(argv[1:-1:2], argv[2:-1:2], strict=True))
    assert ([path for kind, path in pairs if kind == "r"], [path for kind, path in pairs if kind == "w"]) == mounted


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
@example("")
@example("/")
@example("/under/two/slashes")
def test_a_path_is_always_one_word(name: str) -> None:
    path = f"/{name}"
    assert make("x", ("{read}",), "{worker}").argv([], read=[path]) == ["x", path]


@pytest.mark.parametrize("path", ["relative", "", "/a\0b"])
def test_paths_that_nothing_mounts(path: str) -> None:
    with pytest.raises(ConfigError, match="absolute paths only"):
        BWRAP.argv(WORKER, read=[path])


@pytest.mark.parametrize("path", ["/a,readonly=false", '/a"b', "/a\nb"])
def test_paths_that_would_be_options_of_a_mount(path: str) -> None:
    with pytest.raises(ConfigError, match="its name holds"):
        DOCKER.argv(WORKER, write=[path])
    assert path in BWRAP.argv(WORKER, read=[path])


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": ""}, "must be like bwrap"),
        ({"name": "Bwrap"}, "must be like bwrap"),
        ({"name": "a" * 33}, "must be like bwrap"),
        ({"name": 1}, "must be like bwrap"),
        ({"name": "seccomp"}, "another wall has that name"),
        ({"name": "process"}, "another wall has that name"),
        ({"argv_template": "bwrap {worker}"}, "must be a tuple of words"),
        ({"argv_template": None}, "must be a tuple of words"),
        ({"argv_template": ("x", 1, "{worker}")}, "must be a tuple of words"),
        ({"argv_template": ("x", ("a", 1), "{worker}")}, "must be a tuple of words"),
        ({"argv_template": ("x", "a\0", "{worker}")}, "null character"),
        ({"argv_template": ("x",)}, "must hold the word {worker} once"),
        ({"argv_template": ("x", "{worker}", "{worker}")}, "must hold the word {worker} once"),
        ({"argv_template": ("{worker}",)}, "must begin with the name of a program"),
        ({"argv_template": ("", "{worker}")}, "must begin with the name of a program"),
        ({"argv_template": (("{read}",), "{worker}")}, "must begin with the name of a program"),
        ({"argv_template": ("x", "a{worker}", "{worker}")}, "is a word of its own"),
        ({"argv_template": ("x", "{read}", "{worker}")}, "belongs in a group"),
        ({"argv_template": ("x", ("{worker}",), "{worker}")}, "needs {read} or {write}"),
        ({"argv_template": ("x", ("{read}", "{write}"), "{worker}")}, "needs {read} or {write}"),
        ({"argv_template": ("x", (), "{worker}")}, "needs {read} or {write}"),
        ({"argv_template": ("x", "{home}", "{worker}")}, "means nothing here"),
        ({"stop_template": ("x", "{uid}")}, "means nothing here"),
        ({"stop_template": ("{name}",)}, "must begin with the name of a program"),
        ({"stop_template": ("x", ("{name}",))}, "must be a tuple of words"),
        ({"environment": "PATH"}, "must be a tuple of words"),
        ({"by_path": 1}, "by_path is True or False"),
        ({"not_in_paths": None}, "not_in_paths is text"),
    ],
)
def test_launchers_that_cannot_be(fields: dict[str, Any], said: str) -> None:
    whole = {"name": "wall", "argv_template": ("x", "{worker}"), **fields}
    with pytest.raises(ConfigError, match=said):
        Launcher(**whole)


def test_a_launcher_is_a_value() -> None:
    assert make("x", ["{read}"], "{worker}") == make("x", ("{read}",), "{worker}")
    assert len({make("x", ["{read}"], "{worker}"), make("x", ("{read}",), "{worker}"), BWRAP}) == 2


# -- made ready for a worker ------------------------------------------------------------------------------------------


def test_the_program_is_found_and_gets_only_the_named_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "my-wall"
    program.write_text("")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("ENGINE_HOST", "there")
    monkeypatch.setenv("SECRET", "token")
    launcher = make(
        "my-wall",
        "{name}",
        "{worker}",
        stop_template=("my-wall", "stop", "{name}"),
        environment=("ENGINE_HOST", "NONE"),
    )
    first, second = (launcher.launch(["w"], read=[], write=[], memory_bytes=1) for _ in range(2))
    assert first.argv == [str(program), first.stop[2], "w"]
    assert first.stop[:2] == [str(program), "stop"]
    assert first.environment == {"ENGINE_HOST": "there"}
    assert first.stop[2] != second.stop[2]


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(
        EngineError, match="the launcher wall needs the program no-such-program, which is not on the PATH"
    ):
        make("no-such-program", "{worker}").launch(["w"], read=[], write=[], memory_bytes=1)


def test_what_a_worker_needs_is_little() -> None:
    files = belongings.own_files()
    assert all(Path(path).exists() for path in files)
    home = os.path.expanduser("~")  # noqa: PTH111 - compared as text
    assert not {"/", "/home", "/root", "/etc", "/tmp", "/var", "/usr", home, os.getcwd()} & set(files)  # noqa: PTH109
    assert os.path.realpath(sys.executable) in files
    names = {Path(path).name for path in files}
    assert set(spawner.PACKAGES) <= names
    worker = belongings.with_real_python(spawner.worker_argv(parent=0))
    assert worker[0] == os.path.realpath(sys.executable)
    assert worker[1:] == spawner.worker_argv(parent=0)[1:]
