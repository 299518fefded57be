"""Downloads a pinned file over http or https: resumed where it broke off, retried, bounded, verified."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from wasihost.errors import DigestMismatchError, DownloadError
from wasihost.progress import Progress, SilentProgress
from wasihost.runtime.archive import digest_file
from wasihost.runtime.cache import Cache, disk_errors
from wasihost.runtime.manifest import MAX_SOURCE_BYTES, UrlSource

if TYPE_CHECKING:
    import requests

MAX_FAILURES: Final = 6
"""Failures in a row, without a byte in between, after which the download is given up."""
MAX_ATTEMPTS: Final = 40
"""Requests altogether, however far each of them came."""

FIRST_PAUSE_SECONDS = 0.5
MAX_PAUSE_SECONDS: Final = 30.0
CONNECT_SECONDS: Final = 15.0
SILENCE_SECONDS: Final = 60.0
"""How long a server may send nothing."""

_CHUNK: Final = 2**16
_WORTH_ANOTHER_TRY: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_WEB_PAGE: Final = (b"<!doctype", b"<html", b"<head", b"<?xml")


class _Again(Exception):  # noqa: N818 - a signal between two functions, never seen outside
    """This attempt failed, another may not."""

    def __init__(self, reason: str, pause_seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.pause_seconds = pause_seconds


@dataclass(slots=True)
class _Download:
    source: UrlSource
    partial: Path
    progress: Progress

    @property
    def address(self) -> str:
        return shown_url(self.source.url)

    @property
    def have_bytes(self) -> int:
        return self.partial.stat().st_size if self.partial.exists() else 0


def fetch_url(source: UrlSource, cache: Cache, *, label: str, progress: Progress | None = None) -> Path:
    """Download a file into the cache and return where it lies; the caller removes it when it is installed.

    A download that was interrupted goes on where it stopped, also in another process. Proxies, certificates and
    .netrc are taken from the environment, as requests does.

    Args:
        source: Address and digest.
        cache: Where to keep it.
        label: What is downloaded, for a person.
        progress: Told about the bytes.

    Raises:
        DownloadError: The server cannot be reached, refuses, or keeps breaking off.
        DigestMismatchError: It sent something else than the pinned file.
        DiskFullError: There is no room for it.
    """
    downloads = cache.folder("downloads")
    listener = progress or SilentProgress()
    download = _Download(source=source, partial=downloads / f"{source.sha256}.part", progress=listener)
    whole = downloads / source.sha256
    with cache.lock(f"download-{source.sha256[:16]}", progress=listener):
        if whole.is_file() and digest_file(whole).sha256 == source.sha256:
            return whole  # downloaded to be looked at, and not installed yet
        started = time.monotonic()
        listener.start(label, total_bytes=source.size_bytes)
        try:
            with disk_errors(downloads, needed_bytes=source.size_bytes or 0):
                found = _fetch(download)
        finally:
            listener.finish(time.monotonic() - started)
        if found != source.sha256:
            _refuse(download, f"sent a file with sha256 {found}, but {source.sha256} is pinned")
        cache.publish_file(download.partial, whole)
    return whole


def shown_url(url: str) -> str:
    """Return an address as it may be printed: without user name, password, query and fragment."""
    from urllib.parse import urlsplit, urlunsplit

    try:
        parts = urlsplit(url)
    except ValueError:
        return "an address that is none"
    shown = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    return "".join(c if c.isprintable() else "?" for c in shown)


def _fetch(download: _Download) -> str:
    """Download the file and return its sha256."""
    import requests  # 60 ms, only when something is downloaded

    with requests.Session() as session:
        session.headers.update({"User-Agent": "wasihost", "Accept-Encoding": "identity"})
        resumed = download.have_bytes > 0
        _complete(session, download)
        found = digest_file(download.partial).sha256
        if resumed and found != download.source.sha256:
            download.partial.unlink()  # the part may have been of another file: once more from the beginning
            _complete(session, download)
            found = digest_file(download.partial).sha256
    return found


def _complete(session: requests.Session, download: _Download) -> None:
    """Make requests until the partial file is whole."""
    failures, before = 0, download.have_bytes
    for attempt in range(1, MAX_ATTEMPTS + 1):
        try:
            _attempt(session, download)
        except _Again as again:
            failures = 1 if download.have_bytes > before else failures + 1
            before = download.have_bytes
            if failures >= MAX_FAILURES or attempt == MAX_ATTEMPTS:
                raise DownloadError(
                    f"could not download {download.address}: {again} (tried {attempt} times); check the network and "
                    "the proxy settings and try again: it goes on where it stopped"
                ) from again.__cause__
            time.sleep(min(MAX_PAUSE_SECONDS, max(again.pause_seconds, FIRST_PAUSE_SECONDS * 2 ** (failures - 1))))
        else:
            return


def _attempt(session: requests.Session, download: _Download) -> None:
    import requests  # as in `_fetch`
    import urllib3  # comes with requests

    have = download.have_bytes
    if have == download.source.size_bytes:
        return
    headers = {"Range": f"bytes={have}-"} if have else {}
    try:
        with session.get(
            download.source.url, headers=headers, stream=True, timeout=(CONNECT_SECONDS, SILENCE_SECONDS)
        ) as response:
            _receive(response, download, have)
    except (
        requests.exceptions.SSLError,
        requests.exceptions.InvalidURL,
        requests.exceptions.TooManyRedirects,
    ) as error:
        raise DownloadError(f"could not download {download.address}: {_reason(error)}") from error
    except (requests.exceptions.ConnectionError, requests.exceptions.Timeout) as error:
        raise _Again(_reason(error)) from error
    except requests.exceptions.RequestException as error:
        raise DownloadError(f"could not download {download.address}: {_reason(error)}") from error
    except urllib3.exceptions.HTTPError as error:  # while reading the body
        raise _Again("the connection was cut") from error


def _receive(response: requests.Response, download: _Download, have: int) -> None:
    """Check what the server is about to send, and store it behind the first `have` bytes or from the beginning."""
    pinned = download.source.size_bytes
    if response.status_code == 416 and have:
        if _number(response.headers.get("Content-Range", "").rpartition("/")[2]) == have:
            return  # it was whole already
        download.partial.unlink()
        raise _Again("the server does not have the missing part")
    if response.status_code in _WORTH_ANOTHER_TRY:
        raise _Again(f"the server answered {response.status_code}", _retry_after(response))
    if response.status_code not in {200, 206}:
        raise DownloadError(
            f"could not download {download.address}: the server answered {response.status_code} {response.reason}"
        )
    begins = 0 if response.status_code == 200 else _range_start(response)
    if begins is None or begins not in {0, have}:
        download.partial.unlink(missing_ok=True)
        raise _Again("the server sent another part than the one asked for")
    # The bytes as they are on the server, even if it calls a .tar.gz a compressed .tar: those are what is pinned.
    chunks = response.raw.stream(_CHUNK, decode_content=False)
    first: bytes = next(chunks, b"")
    if begins == 0 and _is_web_page(response, first):
        _refuse(download, "sent a web page instead of the file: look at it in a browser")
    announced = _number(response.headers.get("Content-Length"))
    whole = pinned if announced is None else begins + announced
    if whole is not None and (whole != pinned if pinned is not None else whole > MAX_SOURCE_BYTES):
        _refuse(download, f"has {whole} bytes, but the pinned file has {_size(download.source)}")
    with download.partial.open("r+b" if begins else "wb") as file:
        file.seek(begins)
        file.truncate()
        done = begins
        for chunk in itertools.chain([first], chunks):
            done += len(chunk)
            if done > (pinned or MAX_SOURCE_BYTES):
                _refuse(download, f"sends more than the {_size(download.source)} of the pinned file")
            file.write(chunk)
            download.progress.update(done)
    if whole is not None and done < whole:
        raise _Again("the connection was cut")


def _refuse(download: _Download, what: str) -> NoReturn:
    download.partial.unlink(missing_ok=True)
    raise DigestMismatchError(f"{download.address} {what}")


def _is_web_page(response: requests.Response, first: bytes) -> bool:
    said = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return said in {"text/html", "application/xhtml+xml"} or first.lstrip().lower().startswith(_WEB_PAGE)


def _range_start(response: requests.Response) -> int | None:
    unit, _, rest = response.headers.get("Content-Range", "").partition(" ")
    return _number(rest.partition("-")[0]) if unit.lower() == "bytes" else None


def _retry_after(response: requests.Response) -> float:
    return float(_number(response.headers.get("Retry-After")) or 0)


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 19 else None


def _size(source: UrlSource) -> str:
    return f"{source.size_bytes} bytes" if source.size_bytes is not None else f"at most {MAX_SOURCE_BYTES} bytes"


def _reason(error: Exception) -> str:
    """Say in a few words what requests wrapped in several layers."""
    import requests  # as in `_fetch`

    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy cannot be reached or refuses"
    if isinstance(error, requests.exceptions.SSLError):
        return "the server's certificate cannot be verified"
    if isinstance(error, requests.exceptions.TooManyRedirects):
        return "too many redirects"
    if isinstance(error, requests.exceptions.Timeout):
        return "the server did not answer in time"
    text = str(error)
    for mark, words in (
        ("NameResolution", "the name of the server cannot be resolved"),
        ("Name or service not known", "the name of the server cannot be resolved"),
        ("Connection refused", "the connection was refused"),
        ("unreachable", "the network is unreachable"),
    ):
        if mark in text:
            return words
    return "the connection failed" if isinstance(error, requests.exceptions.ConnectionError) else text[:200]
