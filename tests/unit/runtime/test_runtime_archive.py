"""Archives: only what was listed comes out, whatever else is in them."""

from __future__ import annotations

import gzip
import io
import os
import stat
import struct
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from runtime_lab import raises_exactly, sha256

from wasihost.errors import DigestMismatchError, DownloadError, MissingMemberError, WasiHostError
from wasihost.runtime import archive as module
from wasihost.runtime.archive import digest_file, digest_tree, extract_all, extract_members, extract_nested, is_archive
from wasihost.runtime.manifest import Member, Nested, Tree

DATA = b"some bytes\n" * 1000
FILES = {"a/x.wasm": DATA, "a/lib/os.py": b"os", "a/lib/re/__init__.py": b"re", "b.txt": b"never asked for"}


def member(path: str = "a/x.wasm", data: bytes = DATA, install_as: str = "x.wasm") -> Member:
    return Member(path=path, install_as=install_as, sha256=sha256(data), size_bytes=len(data))


def listing(files: dict[str, bytes]) -> str:
    return sha256("".join(f"{sha256(files[name])}  {name}\n" for name in sorted(files)).encode())


LIB = {"os.py": b"os", "re/__init__.py": b"re"}


def tree(**changes: object) -> Tree:
    values = {"path": "a/lib", "install_as": "lib", "sha256": listing(LIB), "size_bytes": 4, "files": 2}
    return Tree(**(values | changes))  # type: ignore[arg-type]


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in files.items():
            made.writestr(name, data)
    return path


def tarred(path: Path, files: dict[str, bytes], *, extra: tuple[tarfile.TarInfo, ...] = ()) -> Path:
    with tarfile.open(path, "w:gz" if path.suffix in {".tgz", ".gz"} else "w") as made:
        for info in extra:
            made.addfile(info)
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            made.addfile(info, io.BytesIO(data))
    return path


def foldered(path: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def inside(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


MAKERS: dict[str, Callable[[Path, dict[str, bytes]], Path]] = {
    "a.zip": zipped,
    "a.tar.gz": tarred,
    "a.tar": tarred,
    "folder": foldered,
}


@pytest.mark.parametrize("name", MAKERS)
def test_only_what_is_listed_comes_out(tmp_path: Path, out: Path, name: str) -> None:
    source = MAKERS[name](tmp_path / name, FILES)
    told: list[int] = []
    extract_members(source, out, members=[member()], trees=[tree()], on_bytes=told.append)
    assert inside(out) == {"x.wasm": DATA, "lib/os.py": b"os", "lib/re/__init__.py": b"re"}
    assert told[-1] == len(DATA) + 4
    assert {stat.S_IMODE(path.stat().st_mode) for path in out.rglob("*") if path.is_file()} == {0o400}
    assert {stat.S_IMODE(path.stat().st_mode) for path in out.rglob("*") if path.is_dir()} == {0o700}


@pytest.mark.parametrize("name", MAKERS)
def test_everything_comes_out(tmp_path: Path, out: Path, name: str) -> None:
    source = MAKERS[name](tmp_path / name, FILES)
    taken = extract_all(source, out)
    assert inside(out) == FILES
    assert (taken.files, taken.size_bytes, taken.sha256) == (4, sum(map(len, FILES.values())), listing(FILES))
    assert digest_tree(out) == taken


def test_a_single_file_is_its_own_archive(tmp_path: Path, out: Path) -> None:
    source = tmp_path / "python.wasm"
    source.write_bytes(b"\0asm" + DATA)
    extract_members(source, out, members=[member("python.wasm", b"\0asm" + DATA)])
    assert inside(out) == {"x.wasm": b"\0asm" + DATA}
    assert not is_archive(source)


def test_a_tree_digest_is_what_the_readme_prints(tmp_path: Path) -> None:
    folder = foldered(tmp_path / "f", FILES | {"é/Z": b"1", "a.b/c": b"2", "a/__pycache__/x.pyc": b"no"})
    command = r"find . -type f -not -path '*__pycache__*' -printf '%P\0' | LC_ALL=C sort -z | xargs -0 sha256sum"
    printed = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, check=True).stdout
    assert digest_tree(folder).sha256 == sha256(printed)


@pytest.mark.parametrize("name", MAKERS)
def test_a_missing_member(tmp_path: Path, out: Path, name: str) -> None:
    source = MAKERS[name](tmp_path / name, {"a/lib/os.py": b"os"})
    with raises_exactly(MissingMemberError, f"{source.name} has no file 'a/x.wasm'"):
        extract_members(source, out, members=[member()])
    with raises_exactly(MissingMemberError, f"{source.name} has no folder 'a/li'"):
        extract_members(source, out, members=[], trees=[tree(path="a/li")])


@pytest.mark.parametrize("name", MAKERS)
def test_a_member_with_other_bytes(tmp_path: Path, out: Path, name: str) -> None:
    source = MAKERS[name](tmp_path / name, {"a/x.wasm": DATA[:-1] + b"!"})
    with raises_exactly(DigestMismatchError, "a/x.wasm in", f"but {sha256(DATA)} is pinned"):
        extract_members(source, out, members=[member()])


@pytest.mark.parametrize("name", MAKERS)
def test_a_member_that_is_larger_than_pinned(tmp_path: Path, out: Path, name: str) -> None:
    source = MAKERS[name](tmp_path / name, {"a/x.wasm": bytes(50 * 2**20)})
    with raises_exactly(DigestMismatchError, f"is larger than the {len(DATA)} bytes"):
        extract_members(source, out, members=[member()])
    assert sum(path.stat().st_size for path in out.iterdir()) <= len(DATA)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sha256": "0" * 64}, "the files below a/lib in"),
        ({"files": 1}, "holds more than the 1 files that are pinned"),
        ({"size_bytes": 3}, "is larger than the 1 bytes"),
    ],
)
def test_a_tree_with_something_else_in_it(tmp_path: Path, out: Path, changes: dict[str, object], message: str) -> None:
    with raises_exactly(DigestMismatchError, message):
        extract_members(zipped(tmp_path / "a.zip", FILES), out, members=[], trees=[tree(**changes)])


def test_a_name_that_is_there_twice(tmp_path: Path, out: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as made, pytest.warns(UserWarning, match="Duplicate"):
        made.writestr("a/x.wasm", DATA)
        made.writestr("a/x.wasm", DATA)
    with raises_exactly(DownloadError, "a.zip holds 'a/x.wasm' twice"):
        extract_members(path, out, members=[member()])


ESCAPES = ["../evil", "/evil", "a/../../evil", "a/lib/../../../evil", "a\\..\\evil", "a/./evil", "a//evil", "e\nvil"]


@pytest.mark.parametrize("name", ESCAPES)
@pytest.mark.parametrize("kind", ["a.zip", "a.tar.gz"])
def test_a_name_that_escapes(tmp_path: Path, out: Path, kind: str, name: str) -> None:
    source = MAKERS[kind](tmp_path / kind, {"a/x.wasm": DATA, name: b"evil"})
    extract_members(source, out, members=[member()])  # not asked for: not looked at
    assert inside(out) == {"x.wasm": DATA}
    with raises_exactly(DownloadError, "holds the name ", "which could be written elsewhere"):
        extract_all(source, out)
    assert not list(tmp_path.rglob("evil"))


@pytest.mark.parametrize("name", ["a/lib/../../evil", "a/lib//evil", "a/lib/x\\..\\evil"])
def test_a_name_that_escapes_from_a_tree(tmp_path: Path, out: Path, name: str) -> None:
    source = zipped(tmp_path / "a.zip", {"a/lib/os.py": b"os", name: b"re"})
    with raises_exactly(DownloadError, "which could be written elsewhere"):
        extract_members(source, out, members=[], trees=[tree()])
    assert not list(tmp_path.rglob("evil"))


def linked_zip(path: Path) -> Path:
    info = zipfile.ZipInfo("a/x.wasm")
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as made:
        made.writestr(info, "/etc/passwd")
    return path


def special_tar(path: Path, kind: bytes) -> Path:
    info = tarfile.TarInfo("a/x.wasm")
    info.type, info.linkname = kind, "/etc/passwd"
    return tarred(path, {}, extra=(info,))


def linked_folder(path: Path) -> Path:
    (path / "a").mkdir(parents=True)
    (path / "a" / "x.wasm").symlink_to("/etc/passwd")
    return path


def fifo_folder(path: Path) -> Path:
    (path / "a").mkdir(parents=True)
    os.mkfifo(path / "a" / "x.wasm")
    return path


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: linked_zip(folder / "s.zip"),
        lambda folder: special_tar(folder / "s.tgz", tarfile.SYMTYPE),
        lambda folder: special_tar(folder / "s.tgz", tarfile.LNKTYPE),
        lambda folder: special_tar(folder / "s.tgz", tarfile.FIFOTYPE),
        lambda folder: special_tar(folder / "s.tgz", tarfile.CHRTYPE),
        lambda folder: special_tar(folder / "s.tgz", tarfile.GNUTYPE_SPARSE),
        lambda folder: linked_folder(folder / "s"),
        lambda folder: fifo_folder(folder / "s"),
    ],
    ids=["zip-link", "tar-link", "tar-hard-link", "tar-fifo", "tar-device", "tar-sparse", "link", "fifo"],
)
def test_what_is_no_regular_file(tmp_path: Path, out: Path, make: Callable[[Path], Path]) -> None:
    source = make(tmp_path)
    with raises_exactly(MissingMemberError, "has 'a/x.wasm' as a link or device, not as a file"):
        extract_members(source, out, members=[member()])
    with raises_exactly(MissingMemberError, "has 'a/x.wasm' as a link or device, not as a file"):
        extract_members(source, out, members=[], trees=[tree(path="a")])
    with raises_exactly(DownloadError, "holds 'a/x.wasm', which is neither a file nor a folder"):
        extract_all(source, out)
    assert inside(out) == {}


def test_a_member_that_is_a_folder(tmp_path: Path, out: Path) -> None:
    source = zipped(tmp_path / "a.zip", {"a/x.wasm/": b""})
    with raises_exactly(MissingMemberError, "has 'a/x.wasm' as a folder, not as a file"):
        extract_members(source, out, members=[member()])


def test_a_file_where_a_folder_is_due(tmp_path: Path, out: Path) -> None:
    with raises_exactly(DownloadError, "two files would both be unpacked as 'a/b'"):
        extract_all(zipped(tmp_path / "a.zip", {"a": b"", "a/b": b""}), out)


def test_nothing_is_written_over(tmp_path: Path, out: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"mine")
    (out / "x.wasm").symlink_to(outside)
    with raises_exactly(DownloadError, "two files would both be unpacked as 'x.wasm'"):
        extract_members(zipped(tmp_path / "a.zip", FILES), out, members=[member()])
    assert outside.read_bytes() == b"mine"


def test_too_many_files_and_too_many_bytes(tmp_path: Path, out: Path) -> None:
    source = zipped(tmp_path / "a.zip", FILES)
    with raises_exactly(DownloadError, "a.zip holds more than 3 files"):
        extract_all(source, out, max_files=3)
    (tmp_path / "out2").mkdir()
    with raises_exactly(DownloadError, "a.zip unpacks to more than 11000 bytes"):
        extract_all(source, tmp_path / "out2", max_bytes=11000)


def test_a_zip_that_lies_about_a_size(tmp_path: Path, out: Path) -> None:
    source = zipped(tmp_path / "a.zip", {"big": bytes(10 * 2**20)})
    data = bytearray(source.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<I", data, data.index(mark) + offset, 1000)
    source.write_bytes(data)
    with raises_exactly(DownloadError, "a.zip cannot be read as an archive"):
        extract_all(source, out)
    assert sum(map(len, inside(out).values())) <= 1000


def test_a_tar_that_decompresses_for_ever(tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tarred(tmp_path / "a.tar.gz", {"zeros": bytes(8 * 2**20), "a/x.wasm": DATA})
    assert source.stat().st_size < 20_000
    extract_members(source, out, members=[member()])
    monkeypatch.setattr(module, "MAX_SOURCE_BYTES", 2**20)
    monkeypatch.setattr(module, "_TAR_OVERHEAD_BYTES", 0)
    (out / "x.wasm").unlink()
    with raises_exactly(DownloadError, "a.tar.gz decompresses to more than 1048576 bytes"):
        extract_members(source, out, members=[member()])  # skipping over costs time, too


@pytest.mark.parametrize(
    "data",
    [
        b"PK\x03\x04",
        b"\x1f\x8b" + bytes(100),
        b"\x1f\x8b",
        gzip.compress(b"no tar"),
        gzip.compress(bytes(511) + b"1")[:-9],
        bytes(257) + b"ustar" + bytes(300),
    ],
    ids=["zip-head", "gzip-bad", "gzip-head", "gzip-no-tar", "gzip-cut", "tar-bad"],
)
def test_what_is_no_archive(tmp_path: Path, out: Path, data: bytes) -> None:
    source = tmp_path / "a.bin"
    source.write_bytes(data)
    with raises_exactly(DownloadError, "a.bin cannot be read as an archive"):
        extract_all(source, out)


def test_a_damaged_member(tmp_path: Path, out: Path) -> None:
    source = zipped(tmp_path / "a.zip", {"a/x.wasm": os.urandom(5000)})
    data = bytearray(source.read_bytes())
    data[2000] ^= 1
    source.write_bytes(data)
    with raises_exactly(DownloadError, "a.zip cannot be read as an archive", "CRC"):
        extract_members(source, out, members=[member(data=bytes(5000))])


def test_an_encrypted_member(tmp_path: Path, out: Path) -> None:
    source = zipped(tmp_path / "a.zip", {"a/x.wasm": DATA})
    data = bytearray(source.read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    source.write_bytes(data)
    with raises_exactly(DownloadError, "a.zip cannot be read as an archive", "encrypted"):
        extract_members(source, out, members=[member()])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), kind=st.sampled_from(["a.zip", "a.tar.gz", "a.tar"]))
def test_damaged_archives_end_in_one_of_our_errors(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, kind: str
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    source = MAKERS[kind](folder / kind, FILES)
    content = bytearray(source.read_bytes())
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    source.write_bytes(content[: data.draw(st.integers(4, len(content)))])
    out = folder / "out"
    out.mkdir()
    try:
        extract_members(source, out, members=[member()], trees=[tree()])
    except WasiHostError as error:
        assert type(error) in {DownloadError, DigestMismatchError, MissingMemberError}
    else:
        assert inside(out) == {"x.wasm": DATA, "lib/os.py": b"os", "lib/re/__init__.py": b"re"}
    assert {path.name for path in folder.iterdir()} == {kind, "out"}


def test_digest_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(DATA)
    found = digest_file(tmp_path / "f")
    assert (found.sha256, found.size_bytes, found.files) == (sha256(DATA), len(DATA), 1)


# -- archives inside archives -----------------------------------------------------------------------------------------

INNER = {"fonts/a.ttf": b"font" * 100, "style.txt": b"style"}


def nested_in(tmp_path: Path, inner: bytes | None = None) -> tuple[Path, Path]:
    """An outer archive with an inner one, and a folder for what is on the way."""
    if inner is None:
        inner = zipped(tmp_path / "inner.zip", INNER).read_bytes()
    work = tmp_path / "work"
    work.mkdir()
    return zipped(tmp_path / "outer.zip", {"data/inner.zip": inner, "other": b""}), work


def nested(**changes: object) -> Nested:
    values: dict[str, object] = {
        "member": "lib/outer.zip",
        "path": "data/inner.zip",
        "install_as": "data/files",
        "sha256": listing(INNER),
        "size_bytes": sum(map(len, INNER.values())),
        "files": len(INNER),
    }
    return Nested(**(values | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("form", ["zip", "tar.gz"])
def test_a_nested_archive_is_unpacked(tmp_path: Path, out: Path, form: str) -> None:
    inner = MAKERS[f"a.{form}"](tmp_path / f"inner.{form}", INNER).read_bytes()
    outer, work = nested_in(tmp_path, inner)
    extract_nested(outer, out, nested(), work=work)
    assert inside(out) == {f"data/files/{name}": data for name, data in INNER.items()}
    assert {stat.S_IMODE(path.stat().st_mode) for path in out.rglob("*") if path.is_file()} == {0o400}
    assert {stat.S_IMODE(path.stat().st_mode) for path in out.rglob("*") if path.is_dir()} == {0o700}


def test_a_nested_archive_that_is_missing(tmp_path: Path, out: Path) -> None:
    outer, work = nested_in(tmp_path)
    with raises_exactly(MissingMemberError, "outer.zip has no file 'data/other.zip'"):
        extract_nested(outer, out, nested(path="data/other.zip"), work=work)
    assert inside(out) == {}


def test_a_folder_is_no_nested_archive(tmp_path: Path, out: Path) -> None:
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as made:
        made.mkdir("data/inner.zip")
    with raises_exactly(MissingMemberError, "outer.zip has 'data/inner.zip' as a folder, not as a file"):
        extract_nested(tmp_path / "outer.zip", out, nested(), work=tmp_path)


@pytest.mark.parametrize(
    ("inner", "error", "message"),
    [
        ({"style.txt": b"style"}, DigestMismatchError, f"but {listing(INNER)} is pinned"),
        ({**INNER, "style.txt": b"stile"}, DigestMismatchError, f"but {listing(INNER)} is pinned"),
        ({**INNER, "more": b""}, DownloadError, "holds more than 2 files"),
        ({**INNER, "style.txt": b"longer"}, DownloadError, "unpacks to more than 405 bytes"),
        ({"../climbed": b"x"}, DownloadError, "holds the name '../climbed', which could be written elsewhere"),
        ({"/climbed": b"x"}, DownloadError, "holds the name '/climbed', which could be written elsewhere"),
        ({"a": b"", "a/climbed": b""}, DownloadError, "two files would both be unpacked as 'a/climbed'"),
    ],
)
def test_a_nested_archive_with_something_else(
    tmp_path: Path, out: Path, inner: dict[str, bytes], error: type[WasiHostError], message: str
) -> None:
    outer, work = nested_in(tmp_path, zipped(tmp_path / "inner.zip", inner).read_bytes())
    with raises_exactly(error, message):
        extract_nested(outer, out, nested(), work=work)
    assert list(tmp_path.rglob("climbed")) == []


def test_a_nested_link_is_refused(tmp_path: Path, out: Path) -> None:
    link = tarfile.TarInfo("link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    outer, work = nested_in(tmp_path, tarred(tmp_path / "inner.tar", {}, extra=(link,)).read_bytes())
    with raises_exactly(DownloadError, "holds 'link', which is neither a file nor a folder"):
        extract_nested(outer, out, nested(), work=work)


def test_nested_bytes_that_are_no_archive(tmp_path: Path, out: Path) -> None:
    outer, work = nested_in(tmp_path, b"PK\x03\x04 but no more")
    with raises_exactly(DownloadError, "cannot be read as an archive"):
        extract_nested(outer, out, nested(), work=work)


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_that_would_be_decompressed_without_bounds_is_refused(tmp_path: Path, compression: int) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", compression) as made:
        made.writestr("a.bin", DATA)
    (tmp_path / "out").mkdir()
    with raises_exactly(DownloadError, "bomb.zip", "'a.bin'", "compression that is not supported"):
        extract_all(path, tmp_path / "out")
    assert not any((tmp_path / "out").iterdir())
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("a.bin", DATA)
    assert extract_all(path, tmp_path / "out").size_bytes == len(DATA)
