"""What pip's many lines about a failure mean, in one sentence that says what to do."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wasihost.errors import PackageError

if TYPE_CHECKING:
    from wasihost.image.packages.resolve import Resolver
    from wasihost.image.packages.wanted import Wanted

_NONE_FITS: Final = re.compile(r"requirement (?P<requirement>.+?) \(from versions: (?P<versions>[^)]*)\)")
_FOR_ANOTHER: Final = re.compile(r"(?P<requirement>.+?) \(from (?P<by>.+)\)")
_CONFLICT: Final = re.compile(r"^The conflict is caused by:\n(?P<lines>(?:    .*\n)+)", re.MULTILINE)
_DIGEST: Final = re.compile(r"^    (?P<name>[A-Za-z0-9._-]+)\S* .*:\n +Expected sha256 (?P<wanted>\w+)", re.MULTILINE)
_GOT: Final = re.compile(r"Got +(?P<found>[0-9a-f]{64})")
_ANOTHER_PYTHON: Final = re.compile(
    r"Package '(?P<name>[^']+)' requires a different Python: \S+ not in '(?P<range>[^']+)'"
)
_IGNORED: Final = re.compile(r"Ignored the following versions that require a different python version: (?P<list>.+)")
_UNPINNED: Final = re.compile(r"^    (?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)[^\n]*$", re.MULTILINE)
_UNREACHABLE: Final = (
    "NewConnectionError",
    "NameResolutionError",
    "Failed to establish a new connection",
    "Temporary failure in name resolution",
    "Connection refused",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "ProxyError",
    "SSLError",
    "Max retries exceeded",
)
_NO_SPACE: Final = ("No space left on device", "[Errno 28]", "Disk quota exceeded")
SHOWN_VERSIONS: Final = 3


def explain(log: str, wanted: Sequence[Wanted], resolver: Resolver) -> PackageError:
    """Return the error that says what pip could not do."""
    return PackageError(_printable(str(_cause(log, wanted, resolver))))  # names and versions are the index's word


def _cause(log: str, wanted: Sequence[Wanted], resolver: Resolver) -> PackageError:
    if any(mark in log for mark in _NO_SPACE):
        return PackageError("there is no room for the packages: make some, or set WASIHOST_CACHE_DIR to a larger disk")
    if "DO NOT MATCH THE HASHES" in log:
        return _wrong_digest(log)
    if "--require-hashes mode" in log or "Hashes are required" in log:
        found = _UNPINNED.search(log.partition("--require-hashes")[2] or log)
        name = found.group("name") if found else "a package that another one needs"
        return PackageError(f"{name} has no digest, and others have one: give all that are needed, or none")
    if (left_out := _left_out(log, wanted, resolver)) is not None:
        return left_out
    if (conflict := _CONFLICT.search(log)) is not None:
        return PackageError(f"these packages cannot be had together: {_joined(conflict.group('lines'))}")
    unreachable = any(mark in log for mark in _UNREACHABLE)
    missing = _NONE_FITS.search(log)
    # What cannot be asked for is not there either, pip says.
    if missing is not None and not (unreachable and missing.group("versions") == "none"):
        ignored = _IGNORED.search(log)
        return _none_fits(
            missing.group("requirement"),
            missing.group("versions"),
            resolver,
            another_python=ignored.group("list") if ignored is not None else "",
        )
    if (other := _ANOTHER_PYTHON.search(log)) is not None:
        return PackageError(
            f"{other.group('name')} needs Python {other.group('range')}, and {resolver.runtime} has Python "
            f"{resolver.python_version}"
        )
    if unreachable:
        return PackageError("the configured Python index cannot be reached: check the network and the proxy settings")
    if "ResolutionImpossible" in log:
        names = ", ".join(one.said for one in wanted)
        return PackageError(f"these packages cannot be had together for {resolver.runtime}: {names}")
    return PackageError(f"pip could not find the packages: {_last_words(log)}")


def _wrong_digest(log: str) -> PackageError:
    named, got = _DIGEST.search(log), _GOT.search(log)
    if named is None or got is None:
        return PackageError("a package has another sha256 than was asked for")
    return PackageError(
        f"{named.group('name')} has sha256 {got.group('found')}, but {named.group('wanted')} was asked for"
    )


def _left_out(log: str, wanted: Sequence[Wanted], resolver: Resolver) -> PackageError | None:
    """A package that another slice of the same build has, asked for or needed."""
    asked = {one.name for one in wanted}
    # Only where pip says what it could not do: names are everyday words too, and parts of other names.
    lines = [line for line in log.lower().splitlines() if line.startswith("error:") or " depends on " in line]
    text = re.sub(r"[-_.]+", "-", "\n".join(lines))
    for name, package in sorted(resolver.bundled.items(), key=lambda item: item[0] not in asked):
        if package.usable or not (name in asked or re.search(rf"(?<![a-z0-9-]){re.escape(name)}(?![a-z0-9-])", text)):
            continue
        return PackageError(
            f"{name} needs native code, which {resolver.runtime} leaves out: use the runtime {resolver.instead}, "
            f"which has {name} {package.version} linked in"
        )
    return None


def _none_fits(requirement: str, versions: str, resolver: Resolver, *, another_python: str) -> PackageError:
    from packaging.utils import canonicalize_name

    by = ""
    if (other := _FOR_ANOTHER.fullmatch(requirement)) is not None:
        requirement, by = other.group("requirement"), f" (which {other.group('by').partition('->')[0]} needs)"
    name = re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]
    package = resolver.bundled.get(canonicalize_name(name))
    if versions == "none" and package is not None and package.usable:
        return PackageError(
            f"{requirement}{by} cannot be had: {resolver.runtime} has {name} {package.version} linked in, and another "
            "one would need native code"
        )
    if versions == "none" and another_python:
        newest = "; ".join(another_python.split("; ")[-SHOWN_VERSIONS:]).replace(" Requires-Python ", " needs ")
        return PackageError(
            f"no version of {name} fits {requirement}{by} and Python {resolver.python_version} of {resolver.runtime}: "
            f"{newest}"
        )
    if versions == "none":
        return PackageError(_why_none(name, requirement, by, resolver))
    listed = versions.split(", ")
    newest = ", ".join(listed[-SHOWN_VERSIONS:])
    return PackageError(f"no version of {name} fits {requirement}{by}; the newest are {newest}")


def _why_none(name: str, requirement: str, by: str, resolver: Resolver) -> str:
    """Ask the index what there is instead, building and unpacking nothing."""
    from wasihost.image.packages.resolve import run_pip

    with tempfile.TemporaryDirectory(prefix="wasihost-pip-") as folder:
        work = Path(folder)
        (work / "nothing").mkdir()

        def ask(*arguments: str) -> tuple[int, str]:
            more = ["--no-index"] if resolver.offline else []
            return run_pip([*arguments, *more], work=work, installed=work / "nothing", markers=resolver.markers)

        binary = "--only-binary=:all:"
        status, _ = ask("install", "--dry-run", "--no-deps", binary, "--ignore-requires-python", name)
        if not status:
            return (
                f"{requirement}{by} needs native code: it has wheels for particular machines, and none that is pure "
                f"Python and for Python {resolver.python_version}; only those can be added"
            )
        if not resolver.offline and not ask("index", "versions", name)[0]:
            return (
                f"{requirement}{by} has no wheel, only sources that would have to be built: build one and give its path"
            )
    return f"there is no package {name} in the configured Python index{by}"


def _joined(lines: str) -> str:
    return "; ".join(line.strip() for line in lines.splitlines())[:1000]


def _last_words(log: str) -> str:
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    words = (errors or lines or ["it said nothing"])[-1]
    return words[:300]


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)
