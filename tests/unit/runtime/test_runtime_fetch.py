"""Downloads from a Python index, through the real pip: an index on the loopback interface, or a folder of wheels."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest
from runtime_lab import (
    Recorder,
    Request,
    Server,
    demo_wheel,
    index_source,
    raises_exactly,
    run_python,
    sha256,
    start_python,
    wait_until,
)

from wasihost.errors import DigestMismatchError, DownloadError, OfflineError
from wasihost.runtime import fetch as module
from wasihost.runtime.fetch import fetch_index, offline_wanted
from wasihost.runtime.manifest import IndexSource

ADVICE = (
    "check the network and the proxy settings, set PIP_INDEX_URL to a mirror or PIP_FIND_LINKS to a folder with "
    "demo_runtime-1.0-py3-none-any.whl, or install demo on another machine and copy its cache folder"
)


@pytest.fixture
def work(cache_dir: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def fetch(source: IndexSource, work: Path, **changes: object) -> Path:
    return fetch_index(source, work, runtime="demo", label="Downloading demo", **changes)  # type: ignore[arg-type]


def serve(server: Server, wheel: Path, *, digest: str | None = None, body: bytes | None = None) -> None:
    """Answer as a simple index with one project."""

    def answer(request: Request) -> None:
        if request.path == "/simple/demo-runtime/":
            fragment = f"#sha256={digest}" if digest else ""
            page = f'<!DOCTYPE html><html><body><a href="/f/{wheel.name}{fragment}">{wheel.name}</a></body></html>'
            request.send(200, page.encode(), Content_Type="text/html")
        elif request.path == f"/f/{wheel.name}":
            request.file(wheel.read_bytes() if body is None else body)
        else:
            request.send(404)

    server.answer = answer


@pytest.fixture
def index(server: Server, work: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    serve(server, wheel, digest=sha256(wheel.read_bytes()))
    monkeypatch.setenv("PIP_INDEX_URL", f"{server.url}/simple")
    return server


@pytest.fixture
def no_index(work: Path, monkeypatch: pytest.MonkeyPatch, wheel: Path) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))


def test_from_an_index(index: Server, work: Path, wheel: Path, recorder: Recorder) -> None:
    path = fetch(index_source(wheel), work, progress=recorder)
    assert path.read_bytes() == wheel.read_bytes()
    assert path.is_relative_to(work)
    assert (recorder.labels, recorder.totals) == (["Downloading demo"], [wheel.stat().st_size])
    assert recorder.finished == 1
    assert index.paths(f"/f/{wheel.name}") == 1


def test_from_a_folder(no_index: None, work: Path, wheel: Path) -> None:
    assert fetch(index_source(wheel), work).read_bytes() == wheel.read_bytes()


def test_from_a_folder_that_a_configuration_file_names(
    work: Path, wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pip.conf").write_text(f"[global]\nno-index = true\nfind-links = {wheel.parent}\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    assert fetch(index_source(wheel), work).read_bytes() == wheel.read_bytes()


def test_a_silenced_pip_still_tells_what_went_wrong(
    no_index: None, work: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_QUIET", "3")
    with raises_exactly(DigestMismatchError, "serves another"):
        fetch(index_source(wheel, sha256="0" * 64), work)


def test_progress_is_told_while_pip_works(index: Server, work: Path, recorder: Recorder) -> None:
    wheel = demo_wheel(work, extra={"demo/more": os.urandom(400_000)})
    data = wheel.read_bytes()

    def answer(request: Request) -> None:
        if request.path.startswith("/simple"):
            request.send(200, f'<a href="/f/{wheel.name}">{wheel.name}</a>'.encode(), Content_Type="text/html")
            return
        request.head(200, len(data))
        for begin in range(0, len(data), 1 + len(data) // 4):
            request.handler.wfile.write(data[begin : begin + 1 + len(data) // 4])
            request.handler.wfile.flush()
            time.sleep(0.3)

    index.answer = answer
    fetch(index_source(wheel), work, progress=recorder)
    assert recorder.updates == sorted(set(recorder.updates))
    assert 0 < recorder.updates[0] < recorder.updates[-1] <= len(data)


@pytest.mark.parametrize("announced", [True, False])
def test_a_wheel_with_other_bytes(index: Server, work: Path, wheel: Path, announced: bool) -> None:
    other = demo_wheel(work, extra={"demo/evil.py": b"evil"})
    serve(index, wheel, digest=sha256(other.read_bytes()) if announced else None, body=other.read_bytes())
    with raises_exactly(
        DigestMismatchError,
        f"serves another {wheel.name} than the pinned one (sha256 {sha256(wheel.read_bytes())})",
        "check PIP_INDEX_URL and PIP_FIND_LINKS",
    ):
        fetch(index_source(wheel), work)


def test_a_wheel_in_a_folder_with_other_bytes(no_index: None, work: Path, wheel: Path) -> None:
    source = index_source(wheel)
    with wheel.open("ab") as file:
        file.write(b"!")
    with raises_exactly(DigestMismatchError, f"serves another {wheel.name} than the pinned one"):
        fetch(source, work)


def test_a_wheel_of_another_name(no_index: None, work: Path, wheel: Path) -> None:
    with raises_exactly(DigestMismatchError, f"pip downloaded {wheel.name} instead of other.whl"):
        fetch(index_source(wheel, file="other.whl"), work)


def test_a_wheel_that_does_not_end(index: Server, work: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SLACK_BYTES", 100_000)
    monkeypatch.setattr(module, "_POLL_SECONDS", 0.02)

    def answer(request: Request) -> None:
        if request.path.startswith("/simple"):
            request.send(200, f'<a href="/f/{wheel.name}">{wheel.name}</a>'.encode(), Content_Type="text/html")
            return
        request.head(200, None)
        while True:
            request.handler.wfile.write(bytes(50_000))
            request.handler.wfile.flush()
            time.sleep(0.01)

    index.answer = answer
    with raises_exactly(DigestMismatchError, f"serves more than the {wheel.stat().st_size} bytes of {wheel.name}"):
        fetch(index_source(wheel), work)


def test_a_version_that_is_not_there(no_index: None, work: Path, wheel: Path) -> None:
    with raises_exactly(DownloadError, f"the configured Python index has no wheel of demo-runtime 2.0; {ADVICE}"):
        fetch(index_source(wheel, version="2.0"), work)


def test_an_index_without_the_project(index: Server, work: Path, wheel: Path) -> None:
    index.answer = lambda request: request.send(404)
    with raises_exactly(DownloadError, f"the configured Python index has no wheel of demo-runtime 1.0; {ADVICE}"):
        fetch(index_source(wheel), work)


def test_no_network(work: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with raises_exactly(
        DownloadError,
        f"could not download demo-runtime 1.0: the configured Python index cannot be reached; {ADVICE}",
    ):
        fetch(index_source(wheel), work)


def test_a_proxy_that_is_not_there(work: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://index.invalid/simple")
    with raises_exactly(DownloadError, "it is not https; use one that is, or name its host in PIP_TRUSTED_HOST"):
        fetch(index_source(wheel), work)
    shutil.rmtree(work)
    work.mkdir()
    monkeypatch.setenv("PIP_TRUSTED_HOST", "index.invalid")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with raises_exactly(DownloadError, "the configured Python index cannot be reached"):
        fetch(index_source(wheel), work)


def test_without_pip(work: Path, wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S "$@"\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    with raises_exactly(DownloadError, f"pip is missing: run '{python} -m ensurepip', then try again"):
        fetch(index_source(wheel), work)


@pytest.mark.parametrize(
    ("executable", "message"),
    [("", "this Python does not know where it lies"), ("/nowhere/python", "could not start pip")],
)
def test_without_python(
    work: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch, executable: str, message: str
) -> None:
    monkeypatch.setattr(sys, "executable", executable)
    with raises_exactly(DownloadError, message):
        fetch(index_source(wheel), work)


def test_what_pip_says_last_is_passed_on_in_one_line(
    no_index: None, work: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_TIMEOUT", "soon")
    with raises_exactly(DownloadError, "pip could not download demo-runtime 1.0: ", ADVICE):
        fetch(index_source(wheel), work)


def test_a_pip_in_the_current_folder_is_not_run(
    no_index: None, work: Path, wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    for name in ("pip.py", "runpy.py", "zipfile.py"):
        (here / name).write_text("open('ran', 'w').close(); raise SystemExit(1)\n")
    monkeypatch.chdir(here)
    assert fetch(index_source(wheel), work).read_bytes() == wheel.read_bytes()
    assert not (here / "ran").exists()


@pytest.mark.parametrize(
    ("value", "wanted"), [(None, False), ("", False), ("0", False), ("1", True), ("yes", True), ("false", True)]
)
def test_when_offline_is_wanted(monkeypatch: pytest.MonkeyPatch, value: str | None, wanted: bool) -> None:
    monkeypatch.delenv("WASIHOST_OFFLINE", raising=False)
    if value is not None:
        monkeypatch.setenv("WASIHOST_OFFLINE", value)
    assert offline_wanted() is wanted


def test_offline_asks_no_index(index: Server, work: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with raises_exactly(
        OfflineError,
        "demo is not installed and WASIHOST_OFFLINE forbids downloading it",
        "run 'wasirun runtime install demo' where there is a network",
    ):
        fetch(index_source(wheel), work, offline=True)
    monkeypatch.setenv("PIP_FIND_LINKS", f"{index.url}/simple/demo-runtime/ https://example.org/wheels")
    with raises_exactly(OfflineError, "WASIHOST_OFFLINE forbids"):
        fetch(index_source(wheel), work, offline=True)
    assert index.seen == []


def test_offline_takes_a_folder(index: Server, work: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", f"{index.url}/simple/demo-runtime/ {wheel.parent}")
    assert fetch(index_source(wheel), work, offline=True).read_bytes() == wheel.read_bytes()
    assert index.seen == []


def test_offline_with_a_folder_that_lacks_it(
    index: Server, work: Path, wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "work"))
    with raises_exactly(DownloadError, "has no wheel of demo-runtime 1.0", "PIP_FIND_LINKS"):
        fetch(index_source(wheel), work, offline=True)
    assert index.seen == []


FETCH = """
import sys
from pathlib import Path
from wasihost import errors
from wasihost.runtime.fetch import fetch_index
from wasihost.runtime.manifest import IndexSource
folder, file, sha256, size = sys.argv[1:]
source = IndexSource(package="demo-runtime", version="1.0", file=file, sha256=sha256, size_bytes=int(size))
try:
    print("OK", fetch_index(source, Path(folder), runtime="demo", label="x").name)
except errors.WasiHostError as error:
    print(type(error).__name__, error)
except KeyboardInterrupt:
    print("interrupted")
"""


def arguments(work: Path, wheel: Path) -> tuple[str, ...]:
    source = index_source(wheel)
    return (str(work), source.file, source.sha256, str(source.size_bytes))


def children(pid: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(path.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def test_ctrl_c_ends_pip(index: Server, work: Path, wheel: Path) -> None:
    index.answer = lambda request: time.sleep(20)
    process = start_python(FETCH, *arguments(work, wheel))
    wait_until(lambda: index.seen)
    pips = children(process.pid)
    assert len(pips) == 1
    started = time.monotonic()
    os.kill(process.pid, signal.SIGINT)  # to wasihost alone, as a supervisor would
    assert process.communicate(timeout=15) == ("interrupted\n", "")
    assert time.monotonic() - started < 3
    assert not Path(f"/proc/{pips[0]}").exists()


def test_a_full_disk(no_index: None, work: Path, wheel: Path) -> None:
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({wheel.stat().st_size // 2},) * 2)\n"
    status, out, err = run_python(limit + FETCH, *arguments(work, wheel))
    assert (status, err) == (0, "")
    assert out.startswith(f"DiskFullError no room left in {work.parent} (0.0 MB are needed): make room")


def test_pip_puts_nothing_elsewhere(index: Server, work: Path, wheel: Path, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    assert run_python(FETCH, *arguments(work, wheel), TMPDIR=str(scratch)) == (0, f"OK {wheel.name}\n", "")
    assert list(scratch.iterdir()) == []
