"""What pip makes of what is wanted: pure wheels for the guest's Python, with their digests, unpacked for the guest."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from wasihost.errors import PackageError
from wasihost.image.packages.package import ImagePackage
from wasihost.image.packages.pip_runner import NOT_THIS_PIP
from wasihost.image.packages.trouble import explain
from wasihost.image.packages.unpack import MAX_PACKAGE_BYTES, unpack

if TYPE_CHECKING:
    from wasihost.image.packages.bundled import Bundled
    from wasihost.image.packages.wanted import Wanted
    from wasihost.progress import Progress

RUNNER: Final = Path(__file__).parent / "pip_runner.py"
PIP_SECONDS: Final = 600.0
_SATISFIED: Final = re.compile(r"^Requirement already satisfied: ([A-Za-z0-9][A-Za-z0-9._-]*)", re.MULTILINE)
# pip builds nothing and chooses for nobody's machine: what it takes runs on every Python of that version.
_FOR_THE_GUEST: Final = (
    "--progress-bar=off",
    "--only-binary=:all:",
    "--platform=any",
    "--implementation=py",
    "--abi=none",
)


class Resolver:
    """Finds and unpacks packages for one runtime.

    Args:
        python_version: Of the guest, "3.15.0".
        markers: Environment markers of the guest, as PEP 508 names them.
        bundled: What comes with the build.
        runtime: Name of the runtime, for messages.
        instead: The runtime that has what this one leaves out, for messages.
        offline: Do without a network: only folders that PIP_FIND_LINKS names.
    """

    def __init__(
        self,
        *,
        python_version: str,
        markers: Mapping[str, str],
        bundled: Mapping[str, Bundled],
        runtime: str,
        instead: str | None,
        offline: bool = False,
    ) -> None:
        self.python_version = python_version
        self.markers = dict(markers)
        self.bundled = bundled
        self.runtime = runtime
        self.instead = instead
        self.offline = offline

    def resolve(
        self, wanted: Sequence[Wanted], work: Path, target: Path, *, progress: Progress
    ) -> tuple[ImagePackage, ...]:
        """Choose versions, and unpack into `target` what does not come with the build.

        Args:
            wanted: What was asked for.
            work: An empty folder, for what is needed on the way.
            target: A folder that is made if anything has to be unpacked.
            progress: Told what goes on.

        Raises:
            PackageError: They cannot be had, together or at all; the message says which and why.
        """
        if not wanted:
            return ()
        with _told(progress, f"Finding packages for {self.runtime}"):
            found, satisfied = self._choose(wanted, work)
        if found:
            with _told(progress, f"Fetching {len(found)} packages" if len(found) > 1 else "Fetching 1 package"):
                self._unpack(found, wanted, work, target)
        asked = {one.name for one in wanted}
        here = [
            ImagePackage(name=name, version=self.bundled[name].version, source="runtime", requested=name in asked)
            for name in sorted(satisfied & self.bundled.keys())
        ]
        return (*sorted(found, key=lambda package: package.name), *here)

    def _choose(self, wanted: Sequence[Wanted], work: Path) -> tuple[list[ImagePackage], set[str]]:
        from packaging.utils import canonicalize_name  # as everywhere here

        installed = work / "installed"
        wheels = {one.name: one for one in wanted if one.wheel is not None}
        for package in self.bundled.values():
            # A wheel of one's own is wanted also where the build has the same version.
            if package.usable and package.name not in wheels:
                folder = installed / f"{package.name.replace('-', '_')}-{package.version}.dist-info"
                folder.mkdir(parents=True)
                (folder / "METADATA").write_bytes(package.metadata)
        installed.mkdir(exist_ok=True)
        report = work / "report.json"
        log = self._pip(
            ["install", "--dry-run", f"--report={report}", *self._choice(), *_requirements(work, wanted)],
            work, installed, wanted,
        )  # fmt: skip
        found = [_package(item, wheels) for item in json.loads(report.read_bytes())["install"]]
        return found, {canonicalize_name(name) for name in _SATISFIED.findall(log)}

    def _unpack(self, found: Sequence[ImagePackage], wanted: Sequence[Wanted], work: Path, target: Path) -> None:
        lines = [f"{package.name}=={package.version} --hash=sha256:{package.sha256}" for package in found]
        own = {one.name: one.line for one in wanted if one.wheel is not None}
        lock = work / "lock.txt"
        lock.write_text("".join(f"{own.get(package.name, line)}\n" for package, line in zip(found, lines, strict=True)))
        empty, wheels = work / "nothing", work / "wheels"
        empty.mkdir()
        wheels.mkdir()
        self._pip(
            [
                *("download", f"--dest={wheels}", "--no-deps", "--require-hashes", *self._choice()),
                *("--requirement", str(lock)),
            ],
            work, empty, wanted,
        )  # fmt: skip
        unpack(found, wheels, target, work=work)

    def _choice(self) -> list[str]:
        return [*_FOR_THE_GUEST, f"--python-version={self.python_version}", *(["--no-index"] if self.offline else [])]

    def _pip(self, arguments: Sequence[str], work: Path, installed: Path, wanted: Sequence[Wanted]) -> str:
        status, log = run_pip(arguments, work=work, installed=installed, markers=self.markers)
        if status == NOT_THIS_PIP:
            raise PackageError("this version of pip cannot choose packages for another Python: install a newer one")
        if status:
            raise explain(log, wanted, self)
        return log


def run_pip(arguments: Sequence[str], *, work: Path, installed: Path, markers: Mapping[str, str]) -> tuple[int, str]:
    """Let pip do something for the guest; return its status and what it said.

    Raises:
        PackageError: There is no pip, or it does not come to an end.
    """
    import importlib.util

    place = importlib.util.find_spec("pip")
    if place is None or place.origin is None:
        raise PackageError(f"pip is missing: run '{sys.executable} -m ensurepip', then try again")
    order = {
        "pip": str(Path(place.origin).parent.parent),
        "installed": str(installed),
        "markers": {**markers, "extra": ""},
        "prefixes": [sys.prefix, sys.exec_prefix, sys.base_prefix],
        "largest": MAX_PACKAGE_BYTES,
        "arguments": ["--disable-pip-version-check", "--no-input", "--no-color", *arguments],
    }
    scratch = work / "scratch"
    scratch.mkdir(exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if name not in ("PIP_QUIET", "PIP_VERBOSE")}
    environment.update(dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(scratch)))
    try:
        with tempfile.TemporaryFile(dir=scratch) as log:
            done = subprocess.run(  # noqa: S603 - our own interpreter, arguments checked
                [sys.executable, "-I", "-S", str(RUNNER), json.dumps(order)],
                env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                timeout=PIP_SECONDS, check=False,
            )  # fmt: skip
            log.seek(0)
            return done.returncode, log.read().decode("utf-8", "replace")
    except subprocess.TimeoutExpired:
        raise PackageError(f"pip did not come to an end within {PIP_SECONDS:.0f} seconds") from None
    except OSError as error:
        raise PackageError(f"pip cannot be started with {sys.executable}: {error.strerror}") from error


def _requirements(work: Path, wanted: Sequence[Wanted]) -> list[str]:
    pinned = any(one.pinned for one in wanted)
    path = work / "wanted.txt"
    # A digest beside one line makes pip ask for digests everywhere, so those of one's own wheels are checked later.
    lines = [one.line if one.wheel is None or pinned else one.line.partition(" --hash=")[0] for one in wanted]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return ["--requirement", str(path)]


def _package(item: Mapping[str, Any], wheels: Mapping[str, Wanted]) -> ImagePackage:
    from packaging.utils import canonicalize_name

    name = canonicalize_name(item["metadata"]["name"])
    download = item["download_info"]
    digest = download.get("archive_info", {}).get("hashes", {}).get("sha256")
    own = wheels.get(name)
    if own is not None:
        digest = own.line.rpartition(":")[2]
    if not isinstance(digest, str) or re.fullmatch("[0-9a-f]{64}", digest) is None:
        raise PackageError(f"the index tells no sha256 of {name}")
    return ImagePackage(
        name=name,
        version=str(item["metadata"]["version"]),
        source="index" if own is None else "file",
        requested=bool(item.get("requested")),
        file=own.wheel.name if own is not None and own.wheel is not None else str(download["url"]).rpartition("/")[2],
        sha256=digest,
    )


@contextlib.contextmanager
def _told(progress: Progress, label: str) -> Iterator[None]:
    started = time.monotonic()
    progress.start(label)
    try:
        yield
    finally:
        progress.finish(time.monotonic() - started)
