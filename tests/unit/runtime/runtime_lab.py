"""A server that misbehaves on request, and builds small enough to download often."""

from __future__ import annotations

import base64
import hashlib
import http.server
import os
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import wasihost
from wasihost.errors import WasiHostError
from wasihost.runtime.manifest import (
    IndexSource,
    Manifest,
    Member,
    PathSource,
    Runtime,
    Slice,
    Stdlib,
    UrlSource,
)

SOURCE = Path(wasihost.__file__).parent.parent
WASM = b"\x00asm\x01\x00\x00\x00" + bytes(range(256)) * 2000
LIBRARY = b"PK-not-really" * 3000


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@contextmanager
def raises_exactly(error: type[WasiHostError], *parts: str) -> Iterator[None]:
    """Expect that class itself, not a subclass, and every part in a message of one line."""
    with pytest.raises(WasiHostError) as caught:
        yield
    assert type(caught.value) is error, f"{type(caught.value).__name__}: {caught.value}"
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert part in message, message


@dataclass
class Recorder:
    """A progress listener that remembers."""

    labels: list[str] = field(default_factory=list)
    totals: list[int | None] = field(default_factory=list)
    updates: list[int] = field(default_factory=list)
    finished: int = 0

    def start(self, label: str, *, total_bytes: int | None = None, expected_seconds: float | None = None) -> None:
        self.labels.append(label)
        self.totals.append(total_bytes)

    def update(self, done_bytes: int) -> None:
        self.updates.append(done_bytes)

    def finish(self, seconds: float) -> None:
        assert seconds >= 0
        self.finished += 1


@dataclass
class Request:
    path: str
    range: str | None
    handler: http.server.BaseHTTPRequestHandler

    def send(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.head(status, len(body), **headers)
        self.handler.wfile.write(body)

    def head(self, status: int, length: int | None = None, **headers: str) -> None:
        self.handler.send_response(status)
        if length is not None:
            self.handler.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.handler.send_header(name.replace("_", "-"), value)
        self.handler.end_headers()

    def file(self, body: bytes) -> None:
        """Serve a file as a proper server does, parts included."""
        begin = int(self.range.removeprefix("bytes=").removesuffix("-")) if self.range else 0
        if not self.range:
            self.send(200, body, Content_Type="application/octet-stream")
        elif begin >= len(body):
            self.send(416, b"", Content_Range=f"bytes */{len(body)}")
        else:
            self.send(206, body[begin:], Content_Range=f"bytes {begin}-{len(body) - 1}/{len(body)}")


class Server:
    """An HTTP server on the loopback interface; `answer` is called for each request, in order of arrival."""

    def __init__(self) -> None:
        self.answer: Callable[[Request], None] = lambda request: request.send(404)
        self.seen: list[tuple[str, str | None]] = []
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.seen.append((self.path, self.headers.get("Range")))
                try:
                    server.answer(Request(path=self.path, range=self.headers.get("Range"), handler=self))
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            def log_message(self, *args: object) -> None:
                pass

        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def paths(self, name: str) -> int:
        return sum(path == name for path, _ in self.seen)

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


def demo_manifest(source: IndexSource | UrlSource | PathSource, *, name: str = "demo", **changes: object) -> Manifest:
    """A build of a module and a library, as `demo_wheel` holds them."""
    values: dict[str, object] = {
        "name": name,
        "python_version": "3.99.0",
        "licence": "PSF-2.0",
        "credit": "nobody",
        "layout": "command",
        "wasm": "python.wasm",
        "stdlib": Stdlib(folder="lib", guest="/usr/local/lib"),
        "source": source,
        "members": (
            Member(path="demo/python.wasm", install_as="python.wasm", sha256=sha256(WASM), size_bytes=len(WASM)),
            Member(
                path="demo/lib.zip", install_as="lib/python399.zip", sha256=sha256(LIBRARY), size_bytes=len(LIBRARY)
            ),
        ),
        "slices": (Slice(name="full", runtime=name, summary="all of it"),),
    }
    return Manifest(**(values | changes))  # type: ignore[arg-type]


def demo_runtime(source: IndexSource | UrlSource | PathSource, **changes: object) -> Runtime:
    manifest = demo_manifest(source, **changes)
    return manifest.runtime(manifest.name)


def demo_wheel(folder: Path, *, version: str = "1.0", extra: dict[str, bytes] | None = None) -> Path:
    """Make a wheel that pip takes for one."""
    path = folder / f"demo_runtime-{version}-py3-none-any.whl"
    info = f"demo_runtime-{version}.dist-info"
    files = {
        "demo/python.wasm": WASM,
        "demo/lib.zip": LIBRARY,
        "demo/host.py": b"raise SystemExit('never unpacked')\n",
        **(extra or {}),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: demo-runtime\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},{len(data)}\n"
        for name, data in files.items()
    )
    files[f"{info}/RECORD"] = (record + f"{info}/RECORD,,\n").encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def index_source(wheel: Path, **changes: object) -> IndexSource:
    data = wheel.read_bytes()
    values: dict[str, object] = {
        "package": "demo-runtime",
        "version": "1.0",
        "file": wheel.name,
        "sha256": sha256(data),
        "size_bytes": len(data),
    }
    return IndexSource(**(values | changes))  # type: ignore[arg-type]


def url_source(server: Server, data: bytes, *, path: str = "/demo.whl", **changes: object) -> UrlSource:
    values: dict[str, object] = {"url": server.url + path, "sha256": sha256(data), "size_bytes": len(data)}
    return UrlSource(**(values | changes))  # type: ignore[arg-type]


def toml_manifest(manifest: Manifest) -> str:
    """The manifest as `wasirun runtime add` would have written it."""
    from wasihost.runtime import custom

    return custom._manifest_text(manifest)


def start_python(code: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": str(SOURCE), **environment},  # this tree also when it is not installed
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_python(code: str, *arguments: str, **environment: str) -> tuple[int, str, str]:
    process = start_python(code, *arguments, **environment)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def wait_until(condition: Callable[[], object], *, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
