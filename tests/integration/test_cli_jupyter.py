"""`wasirun jupyter`: what is installed, what is refused, and that only its own kernels are touched."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cli_lab import environment, one_line, wasirun

WITHOUT = "import sys; sys.modules[{!r}] = None; sys.argv[0] = 'wasirun'; from wasihost.cli import main; main()"


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """An environment in which Jupyter knows what is in tmp_path only, as far as its users decide it."""
    return environment(
        JUPYTER_PATH=str(tmp_path / "prefix" / "share" / "jupyter"),
        JUPYTER_DATA_DIR=str(tmp_path / "user"),
        JUPYTER_CONFIG_DIR=str(tmp_path / "config"),
        IPYTHONDIR=str(tmp_path / "ipython"),
    )


def argv_in(folder: Path) -> list[str]:
    argv: list[str] = json.loads((folder / "kernel.json").read_text("utf-8"))["argv"]
    return argv


def test_install_list_and_uninstall(tmp_path: Path, env: dict[str, str]) -> None:
    (tmp_path / "texts").mkdir()
    done = wasirun(
        "jupyter", "install", "--name", "Mine", "--display-name", "My é", "--allow-read", "texts", "--overlay",
        f"{tmp_path / 'texts'}::/copy", "--env", "A=b c", "--deadline", "20s", "--require-wall", "process", "--figures",
        "svg", "--allow-scripts", env=env, cwd=tmp_path,
    )  # fmt: skip
    folder = tmp_path / "user" / "kernels" / "mine"
    assert (done.returncode, done.stdout, done.stderr) == (0, f"Mine is installed: {folder}\n", "")
    assert argv_in(folder) == [
        sys.executable, "-P", "-m", "wasihost", "jupyter", "kernel", "-f", "{connection_file}",
        f"--allow-read={tmp_path}/texts::/texts", f"--overlay={tmp_path}/texts::/copy", "--env=A=b c", "--fuel=10T",
        "--memory=1G", "--deadline=20s", "--require-wall=process", "--figures=svg", "--allow-scripts",
    ]  # fmt: skip
    assert json.loads((folder / "kernel.json").read_text("utf-8"))["display_name"] == "My é"
    done = wasirun("jupyter", "list", env=env)
    assert done.stdout.splitlines()[0].split() == ["NAME", "FOLDER", "OPTIONS"]
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("mine ")]
    assert line.split(maxsplit=2)[1] == str(folder)
    assert "'--env=A=b c' --fuel=10T" in line
    done = wasirun("jupyter", "uninstall", "MINE", env=env)
    assert (done.returncode, done.stdout) == (0, f"MINE is removed: {folder}\n")
    assert not folder.exists()
    done = wasirun("jupyter", "uninstall", "mine", env=env)
    assert (done.returncode, one_line(done.stderr)) == (2, "wasirun: Jupyter knows no kernel mine")


def test_places(tmp_path: Path, env: dict[str, str]) -> None:
    done = wasirun("jupyter", "install", "--prefix", "prefix", env=env, cwd=tmp_path)
    folder = tmp_path / "prefix" / "share" / "jupyter" / "kernels" / "wasihost"
    assert (done.returncode, done.stdout) == (0, f"wasihost is installed: {folder}\n")
    assert argv_in(folder)[-4:] == ["--fuel=10T", "--memory=1G", "--deadline=10m", "--figures=png"]
    done = wasirun("jupyter", "install", "--prefix", "other", env=env, cwd=tmp_path)
    hint = f"Jupyter finds it with JUPYTER_PATH={tmp_path}/other/share/jupyter"
    assert (done.returncode, done.stdout.splitlines()[1]) == (0, hint)


def test_limits_of_a_profile_stay(tmp_path: Path, env: dict[str, str]) -> None:
    (tmp_path / "short.toml").write_text('name = "short"\ndescription = "Not long."\n[limits]\ndeadline_seconds = 3\n')
    done = wasirun("jupyter", "install", "--user", "--profile", "short.toml", env=env, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    options = argv_in(tmp_path / "user" / "kernels" / "wasihost")[8:]
    assert options == ["--fuel=10T", "--memory=1G", f"--profile={tmp_path / 'short.toml'}", "--figures=png"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--user", "--sys-prefix"], "--user, --sys-prefix and --prefix exclude each other"),
        (["--user", "--prefix", "x"], "--user, --sys-prefix and --prefix exclude each other"),
        (["--figures", "pdf"], "--figures: 'pdf' is not one of png, svg"),
        (["--deadline", "soon"], "--deadline: 'soon' is no duration: write 500ms, 10s or 2m"),
        (["--allow-read", "missing"], "there is no such folder"),
        (["--runtime", "cpython-9"], "cpython-9"),
        (["--image", "nope"], "nope"),
        (["--name", "a/b"], "Invalid kernel name 'a/b'"),
        (["--launcher", "docker"], "ocker"),
    ],
)
def test_mistakes_are_told_before_anything_is_installed(
    options: list[str], message: str, tmp_path: Path, env: dict[str, str]
) -> None:
    done = wasirun("jupyter", "install", *options, env=env, cwd=tmp_path)
    assert done.returncode in {2, 70}
    assert message in one_line(done.stderr)
    assert not (tmp_path / "user").exists()


def test_other_kernels_are_left_alone(tmp_path: Path, env: dict[str, str]) -> None:
    folder = tmp_path / "user" / "kernels" / "other"
    folder.mkdir(parents=True)
    text = json.dumps({"argv": ["other", "{connection_file}"], "display_name": "Other", "language": "other"})
    (folder / "kernel.json").write_text(text)
    for command in (["uninstall", "other"], ["install", "--name", "other"]):
        done = wasirun("jupyter", *command, env=env)
        assert done.returncode == 2
        assert one_line(done.stderr) == f"wasirun: there is a kernel that is not wasihost's: {folder}"
    assert "other" not in wasirun("jupyter", "list", env=env).stdout
    assert (folder / "kernel.json").read_text() == text


@pytest.mark.parametrize(
    ("missing", "command"),
    [
        ("jupyter_client", ["install"]),
        ("jupyter_client", ["list"]),
        ("ipykernel", ["install"]),
        ("ipykernel", ["kernel", "-f", "x"]),
    ],
)
def test_missing_packages_are_named(missing: str, command: list[str], tmp_path: Path, env: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT.format(missing), "jupyter", *command],
        env=env, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert "pip install 'wasihost[jupyter]'" in one_line(done.stderr)
    assert not (tmp_path / "user").exists()


def test_a_kernel_is_started_by_jupyter(tmp_path: Path, env: dict[str, str]) -> None:
    done = wasirun("jupyter", "kernel", "-f", tmp_path / "none.json", env=env)
    assert done.returncode == 2
    assert one_line(done.stderr).endswith("Jupyter starts a kernel with one")
