"""Downloads over http, against a server that cuts, stalls, lies and comes back."""

from __future__ import annotations

import gzip
import os
import signal
import socket
import stat
import struct
import threading
import time
from pathlib import Path

import pytest
from runtime_lab import (
    Recorder,
    Request,
    Server,
    raises_exactly,
    run_python,
    sha256,
    start_python,
    url_source,
    wait_until,
)

from wasihost.errors import DigestMismatchError, DownloadError
from wasihost.runtime import url as module
from wasihost.runtime.cache import Cache, open_cache
from wasihost.runtime.manifest import UrlSource
from wasihost.runtime.url import fetch_url, shown_url

BODY = os.urandom(1_000_000)
HTML = b"<!DOCTYPE html><html><body>Please log in</body></html>"


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_SECONDS", 0.001)


@pytest.fixture
def cache(cache_dir: Path) -> Cache:
    return open_cache()


def left(cache: Cache) -> list[str]:
    return sorted(path.name for path in cache.folder("downloads").iterdir())


def cut(request: Request, body: bytes, after: int) -> None:
    """Announce everything, send some, hang up."""
    begin = int(request.range.removeprefix("bytes=").removesuffix("-")) if request.range else 0
    if begin:
        request.head(206, len(body) - begin, Content_Range=f"bytes {begin}-{len(body) - 1}/{len(body)}")
    else:
        request.head(200, len(body))
    request.handler.wfile.write(body[begin : begin + after])
    request.handler.wfile.flush()
    request.handler.connection.shutdown(socket.SHUT_RDWR)
    request.handler.close_connection = True


def test_a_file_arrives(server: Server, cache: Cache, recorder: Recorder) -> None:
    server.answer = lambda request: request.file(BODY)
    path = fetch_url(url_source(server, BODY), cache, label="Downloading it", progress=recorder)
    assert path.read_bytes() == BODY
    assert path == cache.folder("downloads") / sha256(BODY)
    assert stat.S_IMODE(path.stat().st_mode) == 0o400
    assert (recorder.labels, recorder.totals, recorder.finished) == (["Downloading it"], [len(BODY)], 1)
    assert recorder.updates == sorted(recorder.updates)
    assert recorder.updates[-1] == len(BODY)


def test_a_file_that_is_there_is_not_fetched_again(server: Server, cache: Cache) -> None:
    server.answer = lambda request: request.file(BODY)
    for _ in range(2):
        path = fetch_url(url_source(server, BODY), cache, label="x")
    assert len(server.seen) == 1
    path.chmod(0o600)
    path.write_bytes(BODY[:-1] + b"!")
    assert fetch_url(url_source(server, BODY), cache, label="x").read_bytes() == BODY
    assert len(server.seen) == 2


def test_without_a_known_size(server: Server, cache: Cache, recorder: Recorder) -> None:
    server.answer = lambda request: request.file(BODY)
    source = url_source(server, BODY, size_bytes=None)
    assert fetch_url(source, cache, label="x", progress=recorder).read_bytes() == BODY
    assert recorder.totals == [None]


def test_without_an_announced_size(server: Server, cache: Cache) -> None:
    def answer(request: Request) -> None:
        request.head(200, None)
        request.handler.wfile.write(BODY)

    server.answer = answer
    assert fetch_url(url_source(server, BODY), cache, label="x").read_bytes() == BODY


def test_a_cut_connection_goes_on_where_it_stopped(server: Server, cache: Cache) -> None:
    server.answer = lambda request: cut(request, BODY, 300_000)
    assert fetch_url(url_source(server, BODY), cache, label="x").read_bytes() == BODY
    ranges = [asked for _, asked in server.seen]
    assert ranges[0] is None
    begins = [int(asked.removeprefix("bytes=").removesuffix("-")) for asked in ranges[1:]]
    assert begins == sorted(begins)
    assert begins[0] >= 200_000
    assert len(begins) in {3, 4}


def test_a_server_that_cannot_resume(server: Server, cache: Cache) -> None:
    def answer(request: Request) -> None:
        request.range = None
        if len(server.seen) == 1:
            cut(request, BODY, 300_000)
        else:
            request.file(BODY)

    server.answer = answer
    assert fetch_url(url_source(server, BODY), cache, label="x").read_bytes() == BODY
    assert server.seen[1][1] is not None


def test_a_server_that_sends_another_part(server: Server, cache: Cache) -> None:
    def answer(request: Request) -> None:
        if len(server.seen) == 1:
            cut(request, BODY, 300_000)
        elif request.range:
            request.send(206, BODY[7:], Content_Range=f"bytes 7-{len(BODY) - 1}/{len(BODY)}")
        else:
            request.file(BODY)

    server.answer = answer
    assert fetch_url(url_source(server, BODY), cache, label="x").read_bytes() == BODY
    assert [asked is None for _, asked in server.seen] == [True, False, True]


def test_a_part_of_another_file_is_given_up(server: Server, cache: Cache) -> None:
    server.answer = lambda request: request.file(BODY)
    (cache.folder("downloads") / f"{sha256(BODY)}.part").write_bytes(b"stale" * 1000)
    assert fetch_url(url_source(server, BODY), cache, label="x").read_bytes() == BODY
    assert server.seen == [("/demo.whl", "bytes=5000-"), ("/demo.whl", None)]


@pytest.mark.parametrize("size_bytes", [len(BODY), None])
def test_a_whole_part_only_has_to_be_checked(server: Server, cache: Cache, size_bytes: int | None) -> None:
    server.answer = lambda request: request.file(BODY)
    (cache.folder("downloads") / f"{sha256(BODY)}.part").write_bytes(BODY)
    source = url_source(server, BODY, size_bytes=size_bytes)
    assert fetch_url(source, cache, label="x").read_bytes() == BODY
    assert len(server.seen) == (0 if size_bytes else 1)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429, 408])
def test_a_server_that_comes_back(server: Server, cache: Cache, status: int) -> None:
    server.answer = lambda request: request.send(status) if len(server.seen) < 4 else request.file(BODY)
    assert fetch_url(url_source(server, BODY), cache, label="x").read_bytes() == BODY
    assert len(server.seen) == 4


def test_retry_after_is_honoured(server: Server, cache: Cache) -> None:
    server.answer = lambda r: r.send(503, Retry_After="1") if len(server.seen) == 1 else r.file(BODY)
    started = time.monotonic()
    fetch_url(url_source(server, BODY), cache, label="x")
    assert 1.0 <= time.monotonic() - started < 5


def test_pauses_grow(server: Server, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(module.time, "sleep", pauses.append)
    monkeypatch.setattr(module, "FIRST_PAUSE_SECONDS", 0.5)
    server.answer = lambda request: request.send(503)
    with raises_exactly(DownloadError, "the server answered 503 (tried 6 times)"):
        fetch_url(url_source(server, BODY), cache, label="x")
    assert pauses == [0.5, 1, 2, 4, 8]
    pauses.clear()
    server.answer = lambda request: request.send(503, Retry_After="999999999")
    with raises_exactly(DownloadError, "the server answered 503 (tried 6 times)"):
        fetch_url(url_source(server, BODY), cache, label="x")
    assert pauses == [30.0] * 5


def test_a_server_that_never_comes_back(server: Server, cache: Cache, recorder: Recorder) -> None:
    server.answer = lambda request: request.send(503)
    with raises_exactly(DownloadError, f"{server.url}/demo.whl", "503 (tried 6 times)", "check the network"):
        fetch_url(url_source(server, BODY), cache, label="x", progress=recorder)
    assert recorder.finished == 1


def test_a_server_that_trickles_for_ever(server: Server, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHUNK", 10)
    server.answer = lambda request: cut(request, BODY, 20)
    with raises_exactly(DownloadError, "(tried 40 times)"):
        fetch_url(url_source(server, BODY), cache, label="x")
    assert len(server.seen) == 40


def test_a_server_that_cuts_every_time_at_once(server: Server, cache: Cache) -> None:
    server.answer = lambda request: cut(request, BODY, 0)
    with raises_exactly(DownloadError, "the connection was cut (tried 6 times)"):
        fetch_url(url_source(server, BODY), cache, label="x")


@pytest.mark.parametrize(("status", "reason"), [(404, "404 Not Found"), (403, "403 Forbidden"), (410, "410 Gone")])
def test_a_refusal_is_not_repeated(server: Server, cache: Cache, status: int, reason: str) -> None:
    server.answer = lambda request: request.send(status, HTML, Content_Type="text/html")
    with raises_exactly(DownloadError, f"could not download {server.url}/demo.whl: the server answered {reason}"):
        fetch_url(url_source(server, BODY), cache, label="x")
    assert len(server.seen) == 1


def test_redirects_are_followed(server: Server, cache: Cache) -> None:
    def answer(request: Request) -> None:
        if request.path == "/demo.whl":
            request.send(302, Location="/there?token=1")
        else:
            request.file(BODY)

    server.answer = answer
    assert fetch_url(url_source(server, BODY), cache, label="x").read_bytes() == BODY


def test_redirects_end(server: Server, cache: Cache) -> None:
    server.answer = lambda request: request.send(302, Location="/demo.whl")
    with raises_exactly(DownloadError, "too many redirects"):
        fetch_url(url_source(server, BODY), cache, label="x")


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:,x"])
def test_redirects_stay_on_http(server: Server, cache: Cache, target: str) -> None:
    server.answer = lambda request: request.send(302, Location=target)
    with raises_exactly(DownloadError, "could not download"):
        fetch_url(url_source(server, BODY), cache, label="x")
    assert left(cache) == []


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (HTML, "text/html; charset=utf-8"),
        (BODY, "text/html"),
        (HTML, "application/octet-stream"),
        (b"\n  <HTML>" + bytes(100), "application/zip"),
    ],
)
def test_a_web_page_instead_of_the_file(server: Server, cache: Cache, body: bytes, kind: str) -> None:
    server.answer = lambda request: request.send(200, body, Content_Type=kind)
    with raises_exactly(DigestMismatchError, f"{server.url}/demo.whl sent a web page instead of the file"):
        fetch_url(url_source(server, BODY), cache, label="x")
    assert left(cache) == []
    assert len(server.seen) == 1


def test_a_wrong_digest_leaves_nothing(server: Server, cache: Cache) -> None:
    other = BODY[:-1] + bytes([BODY[-1] ^ 1])
    server.answer = lambda request: request.file(other)
    with raises_exactly(DigestMismatchError, f"sha256 {sha256(other)}, but {sha256(BODY)} is pinned"):
        fetch_url(url_source(server, BODY), cache, label="x")
    assert left(cache) == []


@pytest.mark.parametrize("size", [10, len(BODY) - 1, len(BODY) + 1, 10**12])
def test_another_announced_size_is_refused_early(server: Server, cache: Cache, size: int) -> None:
    def answer(request: Request) -> None:
        request.head(200, size)
        request.handler.wfile.write(BODY[:100])
        request.handler.wfile.flush()
        time.sleep(0.2)

    server.answer = answer
    with raises_exactly(DigestMismatchError, f"has {size} bytes, but the pinned file has {len(BODY)} bytes"):
        fetch_url(url_source(server, BODY), cache, label="x")
    assert left(cache) == []


def test_more_than_the_pinned_size_is_stopped(server: Server, cache: Cache) -> None:
    sent = []

    def answer(request: Request) -> None:
        request.head(200, None)
        while True:
            request.handler.wfile.write(BODY)
            sent.append(1)

    server.answer = answer
    with raises_exactly(DigestMismatchError, f"sends more than the {len(BODY)} bytes of the pinned file"):
        fetch_url(url_source(server, BODY), cache, label="x")
    assert left(cache) == []
    assert len(sent) < 50


def test_a_file_of_unknown_size_is_bounded_too(server: Server, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SOURCE_BYTES", 500_000)
    server.answer = lambda request: request.file(BODY)
    with raises_exactly(DigestMismatchError, "has 1000000 bytes, but the pinned file has at most 500000 bytes"):
        fetch_url(url_source(server, BODY, size_bytes=None), cache, label="x")
    assert left(cache) == []


def test_the_bytes_on_the_server_count_not_what_they_decode_to(server: Server, cache: Cache) -> None:
    packed = gzip.compress(BODY)
    server.answer = lambda request: request.send(200, packed, Content_Encoding="gzip")
    assert fetch_url(url_source(server, packed), cache, label="x").read_bytes() == packed


def test_a_server_that_is_not_there(cache: Cache) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    source = UrlSource(url=f"http://user:pass@127.0.0.1:{port}/x.zip?key=secret", sha256="a" * 64, size_bytes=9)
    with raises_exactly(
        DownloadError, f"could not download http://127.0.0.1:{port}/x.zip: the connection was refused (tried 6 times)"
    ):
        fetch_url(source, cache, label="x")


def test_a_server_that_resets(cache: Cache) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def reset() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.close()

        threading.Thread(target=reset, daemon=True).start()
        source = UrlSource(url=f"http://127.0.0.1:{listener.getsockname()[1]}/x", sha256="a" * 64, size_bytes=9)
        with raises_exactly(DownloadError, "the connection failed (tried 6 times)"):
            fetch_url(source, cache, label="x")


def test_a_silent_server(server: Server, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SILENCE_SECONDS", 0.1)
    monkeypatch.setattr(module, "MAX_FAILURES", 2)
    server.answer = lambda request: time.sleep(1)
    with raises_exactly(DownloadError, "the server did not answer in time (tried 2 times)"):
        fetch_url(url_source(server, BODY), cache, label="x")


@pytest.mark.parametrize("url", ["http://", "http://[::1", "https://ex ample.org/%zz", "http://a..b/"])
def test_an_address_that_is_none(cache: Cache, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_FAILURES", 1)
    with raises_exactly(DownloadError, "could not download"):
        fetch_url(UrlSource(url=url, sha256="a" * 64), cache, label="x")


def test_addresses_are_shown_without_secrets() -> None:
    assert shown_url("https://me:pw@example.org:8/a/b.zip?token=x#y") == "https://example.org:8/a/b.zip"
    assert shown_url("https://example.org/\x1b[2J") == "https://example.org/?[2J"
    assert shown_url("http://[::1") == "an address that is none"


FETCH = """
import sys
from wasihost import errors
from wasihost.runtime.cache import open_cache
from wasihost.runtime.manifest import UrlSource
from wasihost.runtime.url import fetch_url
url, sha256, size = sys.argv[1:]
try:
    print("OK", fetch_url(UrlSource(url=url, sha256=sha256, size_bytes=int(size)), open_cache(), label="x").name)
except errors.WasiHostError as error:
    print(type(error).__name__, error)
except KeyboardInterrupt:
    print("interrupted")
"""


def stalled(server: Server) -> threading.Event:
    """Send 60 % of the file to the first who asks, then nothing until told."""
    go_on = threading.Event()

    def answer(request: Request) -> None:
        if len(server.seen) > 1:
            request.file(BODY)
            return
        request.head(200, len(BODY))
        request.handler.wfile.write(BODY[:600_000])
        request.handler.wfile.flush()
        go_on.wait(30)

    server.answer = answer
    return go_on


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_download_goes_on_in_the_next_process(
    server: Server, cache: Cache, number: signal.Signals
) -> None:
    go_on = stalled(server)
    source = url_source(server, BODY)
    arguments = (source.url, source.sha256, str(source.size_bytes))
    process = start_python(FETCH, *arguments)
    partial = cache.folder("downloads") / f"{source.sha256}.part"
    wait_until(lambda: partial.exists() and partial.stat().st_size >= 500_000)
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert (out, err) == (("", "") if number == signal.SIGKILL else ("interrupted\n", ""))
    assert left(cache) == [partial.name]
    go_on.set()
    assert run_python(FETCH, *arguments) == (0, f"OK {source.sha256}\n", "")
    assert server.seen[1][1] == f"bytes={server.seen[1][1][6:-1]}-"
    assert int(server.seen[1][1][6:-1]) >= 500_000
    assert (cache.folder("downloads") / source.sha256).read_bytes() == BODY


def test_a_full_disk(server: Server, cache: Cache) -> None:
    server.answer = lambda request: request.file(BODY)
    source = url_source(server, BODY)
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (500000, 500000))\n"
    status, out, err = run_python(limit + FETCH, source.url, source.sha256, str(source.size_bytes))
    assert (status, err) == (0, "")
    assert out == (
        f"DiskFullError no room left in {cache.folder('downloads')} (1.0 MB are needed): make room, or set "
        "WASIHOST_CACHE_DIR to a folder on a larger disk\n"
    )
    assert run_python(FETCH, source.url, source.sha256, str(source.size_bytes)) == (0, f"OK {source.sha256}\n", "")
