"""Whatever is wrong on the command line: exit 2, one clear line, nothing run."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from cli_lab import COMMAND, environment, one_line, wasirun


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "name a script, or give -c CODE"),
        (["-c"], "requires an argument"),
        (["--bogus", "-c", "1"], "No such option"),
        (["--fuel"], "requires an argument"),
        (["--json=1", "-c", "1"], "--json"),
        (["--runtime", "cpython-9", "-c", "1"], "there is no runtime 'cpython-9'"),
        (["--runtime", "../x", "-c", "1"], "there is no runtime '../x'"),
        (["--image", "other", "-c", "1"], "there is no image 'other'"),
        (["--profile", "other", "-c", "1"], "there is no profile 'other'"),
        (["--profile", "missing.toml", "-c", "1"], "there is no such file"),
        (["--fuel", "much", "-c", "1"], "--fuel: 'much' is no number of instructions"),
        (["--fuel", "0", "-c", "1"], "--fuel must be from 1"),
        (["--memory", "256X", "-c", "1"], "--memory: '256X' is no size"),
        (["--memory", "-1", "-c", "1"], "--memory: '-1' is no size"),
        (["--memory", "1M", "-c", "1"], "the least that works is"),
        (["--memory", "8G", "-c", "1"], "--memory must be from"),
        (["--deadline", "10x", "-c", "1"], "--deadline: '10x' is no duration"),
        (["--deadline", "0", "-c", "1"], "--deadline must be more than 0"),
        (["--deadline", "inf", "-c", "1"], "--deadline: 'inf' is no duration"),
        (["--deadline", "9999999h", "-c", "1"], "--deadline must be"),
        (["--output", "1e9", "-c", "1"], "--output: '1e9' is no size"),
        (["--output-overflow", "drop", "-c", "1"], "--output-overflow: 'drop' is not one of end, truncate"),
        (["--open-files", "many", "-c", "1"], "--open-files: 'many' is no whole number"),
        (["--disk", "5P", "-c", "1"], "--disk: '5P' is no size"),
        (["--disk", "99999999999G", "-c", "1"], "--disk must be from 0 to"),
        (["--files", "1K", "-c", "1"], "--files: '1K' is no whole number"),
        (["--files", "999999999", "-c", "1"], "--files must be from 0 to"),
        (["--host-calls", "-1", "-c", "1"], "--host-calls: '-1' is no whole number"),
        (["--host-calls", "9999999999999", "-c", "1"], "--host-calls must be from 0 to"),
        (["--require-wall", "moat", "-c", "1"], "--require-wall: 'moat' is not one of wasm, process, rlimits"),
        (["--require-wall", "bwrap", "-c", "1"], "--require-wall bwrap goes with --launcher bwrap"),
        (["--launcher", "sudo", "-c", "1"], "--launcher: 'sudo' is not one of bwrap, docker, runsc"),
        (["--overlay", "missing", "-c", "1"], "missing"),
        (["--overlay", "..", "-c", "1"], "lies outside the current directory"),
        (["--overlay", "folder", "--allow-write", "folder", "-c", "1"], "folder"),
        (["--allow-env", "A=1", "-c", "1"], "--allow-env: 'A=1' is no name"),
        (["--env", "A", "-c", "1"], "has not the form NAME=VALUE"),
        (["--allow-read", "missing", "-c", "1"], "missing"),
        (["--allow-read", "", "-c", "1"], "must not be empty"),
        (["--allow-read", "..", "-c", "1"], "lies outside the current directory"),
        (["--allow-read", "a/../../b", "-c", "1"], "lies outside the current directory"),
        (["--allow-read", "folder::data", "-c", "1"], "guest path"),
        (["--allow-read", "/", "-c", "1"], "/"),
        (["--allow-read", "/proc", "-c", "1"], "/proc"),
        (["--allow-read", ".", "--allow-write", "folder", "-c", "1"], "grant both alike or separate them"),
        (["--allow-read", "folder", "--allow-read", "folder", "-c", "1"], "folder"),
        (["missing.py"], "there is no script missing.py"),
        (["folder"], "the script folder is a directory"),
        (["latin.py"], "is not UTF-8 (line 2"),
        (["nul.py"], "holds a NUL byte at 6"),
        (["fifo.py"], "is not a regular file"),
        (["-m", "not a name"], "is not the name of a module"),
        (["--json", "doctor"], "--json is for running a program"),
        (["runtime", "frobnicate"], "No such command"),
        (["runtime", "info", "nope"], "there is no runtime 'nope'"),
        (["runtime", "remove", "nope"], "there is no runtime 'nope'"),
        (["runtime", "install"], "Missing argument"),
        (["runtime", "add", "mine", "missing.wasm"], "does not exist"),
        (["runtime", "add", "mine", "http://127.0.0.1:9/x.wasm"], "only be added together with its sha256"),
        (["runtime", "add", "cpython-3.11", "folder"], "choose another name"),
    ],
)
def test_one_line_and_exit_2(words: list[str], said: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "latin.py").write_bytes(b"# a\nprint('\xe9')\n")
    (tmp_path / "nul.py").write_bytes(b"print(\0)")
    os.mkfifo(tmp_path / "fifo.py")
    done = wasirun(*words, cwd=tmp_path)
    assert said in one_line(done.stderr)
    assert (done.returncode, done.stdout) == (2, "")


def test_nul_in_code_from_stdin() -> None:
    done = wasirun("-", input="print(1)\0")
    assert done.returncode == 2
    assert "holds a NUL byte at 8" in one_line(done.stderr)


def test_latin_1_with_a_coding_line_runs(tmp_path: Path) -> None:
    (tmp_path / "latin.py").write_bytes(b"# coding: latin-1\nprint(ascii('\xe9'))\n")
    assert wasirun("latin.py", cwd=tmp_path).stdout == "'\\xe9'\n"


def test_five_megabytes_of_source_run(tmp_path: Path) -> None:
    script = tmp_path / "long.py"
    script.write_text("# a comment that is long enough to count, and says nothing at all\n" * 80_000 + "print(6 * 7)\n")
    assert script.stat().st_size > 5_000_000
    done = wasirun(script)
    assert (done.stdout, done.returncode) == ("42\n", 0), done.stderr


@pytest.mark.parametrize("words", [["-c", "1"], ["runtime", "verify"], ["runtime", "install", "cpython-3.11"]])
def test_a_cache_that_others_can_write_to_is_refused(words: list[str], tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir(mode=0o700)
    cache.chmod(0o777)
    done = wasirun(*words, env=environment(WASIHOST_CACHE_DIR=str(cache)))
    assert done.returncode == 70
    assert "others can write to the cache folder" in one_line(done.stderr)


def test_without_a_network_it_says_what_to_do(tmp_path: Path) -> None:
    env = environment(
        WASIHOST_CACHE_DIR=str(tmp_path / "cache"), WASIHOST_OFFLINE="1", PIP_FIND_LINKS="", PIP_NO_INDEX="1"
    )
    done = wasirun("--runtime", "cpython-3.11", "-c", "1", env=env)
    assert done.returncode == 70
    assert "WASIHOST_OFFLINE" in one_line(done.stderr)


@pytest.mark.parametrize("words", [[b"-c", b"\xff"], [b"-c", b"1", b"\xff"], [b"--env", b"A=\xff", b"-c", b"1"]])
def test_bytes_that_are_no_text_are_refused(words: list[bytes]) -> None:
    done = subprocess.run([*map(os.fsencode, COMMAND), *words], capture_output=True, env=environment(), check=False)
    assert done.returncode == 2
    assert "surrogate" in one_line(done.stderr.decode())
