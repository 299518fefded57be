"""Folders, zips and wheels as plugins: what is taken, what is refused, and that a zip is the folder again."""

from __future__ import annotations

import hashlib
import os
import socket
import stat
import struct
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from manifest_lab import SHA, SMALL
from plugin_package_lab import CODE, FILES, link, make_folder, make_zip, special, wheel_files, within, zip_bytes

from wasihost.errors import InvalidPluginError, PluginTargetError
from wasihost.plugins import contents
from wasihost.plugins.package import open_installed, open_package, pack


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "words")


def refused(path: Path | str) -> str:
    with pytest.raises(InvalidPluginError) as caught:
        open_package(path)
    assert str(caught.value).isprintable()
    return str(caught.value)


def test_a_folder(folder: Path) -> None:
    package = open_package(folder)
    assert package.files == FILES
    assert package.manifest.name == "word-count"
    assert package.origin == str(folder)
    assert package.size_bytes == sum(map(len, FILES.values()))
    assert open_package(str(folder)) == package


def test_what_is_read_is_a_snapshot(folder: Path) -> None:
    package = open_package(folder)
    digest = package.digest
    (folder / "word_count.py").write_text("evil = 1\n")
    assert package.files["word_count.py"] == CODE.encode()
    assert (package.digest, open_package(folder).digest != digest) == (digest, True)
    with pytest.raises(TypeError):
        package.files["word_count.py"] = b""  # type: ignore[index]


def test_the_digest_is_of_names_and_contents(tmp_path: Path) -> None:
    def digest(name: str, files: dict[str, bytes]) -> str:
        return open_package(make_folder(tmp_path / name, files)).digest

    first = digest("a", FILES)
    lines = [
        f"{hashlib.sha256(FILES[name]).hexdigest()}  {name}\n"
        for name in ("data/stop words.txt", "plugin.toml", "tests/test_word_count.py", "word_count.py")
    ]
    assert first == hashlib.sha256("".join(lines).encode()).hexdigest()
    assert digest("b", dict(reversed(FILES.items()))) == first
    assert digest("c", {**FILES, "empty": b""}) != first
    assert digest("d", {**FILES, "word_count.py": CODE.encode() + b"\n"}) != first
    moved = {name.replace("data/", "more/"): data for name, data in FILES.items()}
    assert digest("e", moved) != first


def test_hidden_files_and_compiled_code_are_no_part_of_it(folder: Path, tmp_path: Path) -> None:
    more = {
        ".git/config": b"[remote]",
        ".env": b"TOKEN=1",
        "data/.hidden": b"",
        "__pycache__/word_count.cpython-315.pyc": b"evil",
        "tests/__pycache__/x.pyc": b"",
        "other.pyc": b"evil",
        "other.pyo": b"evil",
    }
    make_folder(folder, more)
    (folder / ".link").symlink_to("/etc")
    assert open_package(folder).files == FILES
    assert open_package(make_zip(tmp_path / "a.zip", {**FILES, **more})).files == FILES


def test_a_zip_with_and_without_a_folder_in_it(folder: Path, tmp_path: Path) -> None:
    digest = open_package(folder).digest
    flat = make_zip(tmp_path / "flat.zip", FILES)
    wrapped = make_zip(tmp_path / "WRAPPED.ZIP", within("word-count-main"))
    assert open_package(flat).files == open_package(wrapped).files == FILES
    assert open_package(flat).digest == open_package(wrapped).digest == digest
    with_folders = make_zip(tmp_path / "f.zip", [("data/", b""), ("tests/", b""), *FILES.items()])
    assert open_package(with_folders).digest == digest
    assert refused(make_zip(tmp_path / "two.zip", {**within("one"), "README": b""})).endswith(
        "two.zip: has no plugin.toml"
    )
    assert refused(make_zip(tmp_path / "deep.zip", within("one/two"))).endswith("deep.zip: has no plugin.toml")


def test_pack_is_reproducible_and_reads_back(folder: Path, tmp_path: Path) -> None:
    make_folder(folder, {".git/HEAD": b"x", "__pycache__/a.pyc": b"x"})
    (tmp_path / "out").mkdir()
    first = pack(folder, tmp_path / "out")
    assert first == tmp_path / "out" / "word-count-1.0.0.zip"
    for path in folder.rglob("*"):
        os.utime(path, (10**9, 10**9))
        path.chmod(0o700)
    (folder / "word_count.py").rename(folder / "moved")
    (folder / "moved").rename(folder / "word_count.py")
    second = pack(str(folder), str(tmp_path / "other.zip"))
    assert first.read_bytes() == second.read_bytes()
    assert open_package(first).digest == open_package(folder).digest
    assert open_package(first).files == FILES
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.zip", "out", "words"]
    with zipfile.ZipFile(first) as archive:
        assert {stat.filemode(info.external_attr >> 16) for info in archive.infolist()} == {"-rw-r--r--"}
        assert archive.testzip() is None


def test_pack_replaces_what_was_there_and_packs_zips_too(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "a.zip"
    target.write_text("old")
    pack(folder, target)
    before = target.read_bytes()
    assert pack(target, target).read_bytes() == before


@pytest.mark.parametrize("place", [".", "data", "new.zip", "data/new.zip", "../alias/new.zip"])
def test_pack_refuses_a_target_within_the_plugin(folder: Path, place: str) -> None:
    (folder.parent / "alias").symlink_to(folder / "data")
    with pytest.raises(PluginTargetError, match="lies within the plugin"):
        pack(folder, folder / place)
    assert open_package(folder).files == FILES


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("a.tar", "a.tar: the name of the zip must end in .zip"),
        ("x", "x: the name of the zip must end in .zip"),
        ("nowhere/a.zip", "a.zip cannot be written: No such file"),
        ("a\0.zip", "is no path"),
        ("x" * 300 + ".zip", "is no place that a zip can be written to"),
    ],
)
def test_pack_refuses_other_targets(folder: Path, tmp_path: Path, target: str, why: str) -> None:
    with pytest.raises(PluginTargetError, match=why):
        pack(folder, tmp_path / target)
    assert [path.name for path in tmp_path.iterdir()] == ["words"]


def test_write_gives_the_files_to_this_user_alone(folder: Path, tmp_path: Path) -> None:
    package = open_package(folder)
    target = tmp_path / "new" / "place"
    package.write(target)
    assert open_package(target).digest == package.digest
    assert {stat.S_IMODE(path.stat().st_mode) for path in target.rglob("*") if path.is_file()} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (target, target / "data")} == {0o700}
    with pytest.raises(PluginTargetError, match="is not empty"):
        package.write(target)
    (tmp_path / "file").write_text("")
    with pytest.raises(PluginTargetError, match="cannot be written: File exists"):
        package.write(tmp_path / "file")
    with pytest.raises(PluginTargetError, match="is no path"):
        package.write("a\0b")


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("nothing", "there is no such file or folder"),
        ("words/word_count.py", "is no plugin: that is a folder, a .zip or a wheel (.whl)"),
        ("words/data", "has no plugin.toml"),
        ("a\0b", "there is no such file or folder"),
        ("a\n\x1b[2J", "there is no such file or folder"),
        ("words/word_count.py/x", "there is no such file or folder"),
        ("x" * 300, "cannot be read: File name too long"),
        ("circle", "cannot be read: Too many levels of symbolic links"),
    ],
)
def test_what_is_no_plugin(folder: Path, path: str, why: str) -> None:
    (folder.parent / "circle").symlink_to("circle")
    assert refused(folder.parent / path).endswith(why)


def test_errors_name_the_file_within_and_the_line(folder: Path, tmp_path: Path) -> None:
    broken = {**FILES, "plugin.toml": SMALL.replace('"1.0.0"', '"x"').encode()}
    assert refused(make_folder(folder, broken)).startswith(f"{folder}/plugin.toml:3: plugin.version: must be a version")
    path = make_zip(tmp_path / "w.zip", within("top", broken))
    assert refused(path).startswith(f"{path}/plugin.toml:3: plugin.version: must be a version")


def test_the_entry_has_to_be_there(tmp_path: Path) -> None:
    without = {name: data for name, data in FILES.items() if name != "word_count.py"}
    why = "/plugin.toml:5: plugin.entry: the plugin has neither word_count.py nor word_count/__init__.py"
    assert refused(make_folder(tmp_path / "a", without)).endswith(why)
    package = {**without, "word_count/__init__.py": b""}
    assert open_package(make_folder(tmp_path / "b", package)).files == package
    compiled = {**without, "word_count.pyc": b""}
    assert refused(make_folder(tmp_path / "c", compiled)).endswith(why)


def test_a_wheel_of_the_plugin_is_the_locked_one(tmp_path: Path) -> None:
    wheel = zip_bytes({"demo.py": b""})

    def files(sha256: str) -> dict[str, bytes]:
        listed = (
            f'[[dependencies]]\nname = "demo"\nversion = "1.0"\nsha256 = "{sha256}"\n'
            'wheel = "wheels/demo-1.0-py3-none-any.whl"\n'
        )
        return {**FILES, "plugin.toml": (SMALL + listed).encode(), "wheels/demo-1.0-py3-none-any.whl": wheel}

    right = files(hashlib.sha256(wheel).hexdigest())
    assert open_package(make_folder(tmp_path / "a", right)).manifest.dependencies[0].name == "demo"
    assert "dependencies[0].sha256: wheels/demo-1.0-py3-none-any.whl has the sha256" in refused(
        make_folder(tmp_path / "b", files(SHA))
    )
    del right["wheels/demo-1.0-py3-none-any.whl"]
    assert "dependencies[0].wheel: the plugin has no file wheels/demo" in refused(make_folder(tmp_path / "c", right))


@pytest.mark.parametrize("inside", [True, False])
def test_links_in_a_folder_are_refused(folder: Path, inside: bool) -> None:
    (folder / "data" / "also.txt").symlink_to("word_count.py" if inside else "/etc/hostname")
    assert refused(folder).endswith("holds the link 'data/also.txt'; copy what it leads to")
    (folder / "data" / "also.txt").unlink()
    (folder / "more").symlink_to("data" if inside else "/etc")
    assert refused(folder).endswith("holds the link 'more'; copy what it leads to")
    (folder / "more").unlink()
    assert open_package(folder).files == FILES


def test_a_folder_may_be_given_by_way_of_a_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(folder)
    assert open_package(tmp_path / "alias").files == FILES


def test_devices_are_refused_and_never_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    assert refused(folder).endswith("holds 'pipe', which is neither a file nor a folder")
    (folder / "pipe").unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "s"))
        assert "holds 's', which cannot be read" in refused(folder)
    (folder / "s").unlink()
    os.mkfifo(folder.parent / "a.zip")
    assert refused(folder.parent / "a.zip").endswith("a.zip: is neither a file nor a folder")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_what_cannot_be_read(folder: Path) -> None:
    (folder / "data" / "secret").write_text("")
    (folder / "data" / "secret").chmod(0)
    assert refused(folder).endswith("holds 'data/secret', which cannot be read: Permission denied")


def test_bounds_of_folders(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = folder / "/".join(["d"] * (contents.MAX_DEPTH + 1))
    deep.mkdir(parents=True)
    (deep / "x").write_text("")
    assert "which is more than 32 folders deep" in refused(folder)
    (deep / "x").rename(deep.parent / "x")
    deep.rmdir()
    assert len(open_package(folder).files) == len(FILES) + 1
    (folder / "name\n").write_text("")
    assert refused(folder).endswith("holds the name 'name\\n', which could lead elsewhere")
    (folder / "name\n").unlink()
    (folder / "\udcff").write_text("")
    assert refused(folder).endswith("holds the name '\\udcff', which could lead elsewhere")
    (folder / "\udcff").unlink()
    monkeypatch.setattr(contents, "MAX_PLUGIN_FILES", 4)
    assert refused(folder).endswith("holds more than 4 files")
    monkeypatch.setattr(contents, "MAX_PLUGIN_FILES", 5)
    monkeypatch.setattr(contents, "MAX_PLUGIN_BYTES", 600)
    assert len(open_package(folder).files) == 5
    (folder / "big").write_bytes(bytes(600))
    assert refused(folder).endswith("holds more than 600 bytes")


def test_too_many_names_are_refused_before_they_are_listed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "_MAX_ENTRIES", 6)
    assert open_package(folder).files == FILES
    (folder / "a.pyc").write_text("")
    assert refused(folder).endswith("holds more than 6 files and folders")


HOSTILE = [
    ("../evil.py", "holds the name '../evil.py', which could lead elsewhere"),
    ("/etc/evil.py", "holds the name '/etc/evil.py', which could lead elsewhere"),
    ("a/../../evil.py", "holds the name 'a/../../evil.py', which could lead elsewhere"),
    ("a//b.py", "holds the name 'a//b.py', which could lead elsewhere"),
    ("./a.py", "holds the name './a.py', which could lead elsewhere"),
    ("..\\evil.py", "holds the name '..\\\\evil.py', which could lead elsewhere"),
    ("C:\\evil.py", "holds the name 'C:\\\\evil.py', which could lead elsewhere"),
    ("a\nb.py", "holds the name 'a\\nb.py', which could lead elsewhere"),
    ("../.git/x", "holds the name '../.git/x', which could lead elsewhere"),
    ("x" * 256, f"holds the name '{'x' * 199}..., which could lead elsewhere"),
    (link("a.py"), "holds 'a.py', which is a link"),
    (link(".hidden"), "holds '.hidden', which is a link"),
    (special("pipe", stat.S_IFIFO), "holds 'pipe', which is no file"),
    (special("device", stat.S_IFBLK), "holds 'device', which is no file"),
    (special("folder/", stat.S_IFLNK), "holds 'folder/', which is a link"),
    ("word_count.py", "holds 'word_count.py' twice"),
    ("word_count.py/x", "holds 'word_count.py/x' twice"),
    ("data", "holds 'data' twice"),
    ("/".join("d" * 34), f"holds '{'/'.join('d' * 34)}', which is more than 32 folders deep"),
]


@pytest.mark.parametrize(("name", "why"), HOSTILE, ids=[str(n) for n in range(len(HOSTILE))])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_hostile_names_in_zips(tmp_path: Path, name: str | zipfile.ZipInfo, why: str) -> None:
    path = make_zip(tmp_path / "a.zip", [*FILES.items(), (name, b"/etc")])
    assert refused(path) == f"{path}: {why}"
    assert sorted(place.name for place in tmp_path.iterdir()) == ["a.zip"]


def test_a_name_that_readers_take_for_different_ones(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {**FILES, "evil.pyX.txt": b""})
    path.write_bytes(path.read_bytes().replace(b"evil.pyX", b"evil.py\0"))
    assert "holds the name 'evil.py\\x00.txt', which readers take for different ones" in refused(path)


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressions_that_cannot_be_bounded(tmp_path: Path, compression: int) -> None:
    path = make_zip(tmp_path / "a.zip", FILES, compression)
    assert refused(path).endswith("in a compression that is not supported: only stored and deflated is")


def test_an_encrypted_file(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", FILES)
    raw = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        raw[raw.index(mark) + offset] |= 1
    path.write_bytes(raw)
    assert refused(path).endswith("holds 'plugin.toml', which is encrypted")


def test_a_bomb_is_unpacked_no_further_than_its_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "MAX_PLUGIN_BYTES", 2**20)
    path = make_zip(tmp_path / "a.zip", {**FILES, "zeros": bytes(2**27)})
    assert path.stat().st_size < 2**20
    read: list[int] = []
    whole = zipfile.ZipExtFile.read

    def counted(self: zipfile.ZipExtFile, n: int = -1) -> bytes:
        data = whole(self, n)
        read.append(len(data))
        return data

    monkeypatch.setattr(zipfile.ZipExtFile, "read", counted)
    assert refused(path).endswith("holds more than 1048576 bytes")
    assert sum(read) <= 2**20 + 1


def test_a_file_that_says_that_it_is_small(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {**FILES, "zeros": bytes(2**20)})
    raw = path.read_bytes()
    path.write_bytes(raw.replace(struct.pack("<L", 2**20), struct.pack("<L", 10)))
    assert "cannot be read as an archive" in refused(path)


def test_an_archive_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_zip(tmp_path / "a.zip", {**FILES, "r": os.urandom(3000)})
    assert len(open_package(path).files) == len(FILES) + 1
    monkeypatch.setattr(contents, "MAX_PLUGIN_BYTES", 2000)
    assert refused(path).endswith("a.zip: is larger than 2000 bytes")


def test_too_many_files_in_a_zip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many = make_zip(tmp_path / "a.zip", {**FILES, **{f"f{n}": b"" for n in range(50)}})
    assert len(open_package(many).files) == len(FILES) + 50
    monkeypatch.setattr(contents, "MAX_PLUGIN_FILES", 53)
    assert refused(many).endswith("holds more than 53 files")
    monkeypatch.setattr(contents, "_MAX_ENTRIES", 53)
    assert refused(many).endswith("holds more than 53 files and folders")
    monkeypatch.setattr(contents, "_MAX_DIRECTORY_BYTES", 1000)
    monkeypatch.setattr(zipfile, "ZipFile", None)  # which would make an object of each
    assert refused(many).endswith("has a list of files of more than 1000 bytes")
    commented = many.read_bytes()[:-2] + struct.pack("<H", 5) + b"12345"
    many.write_bytes(commented)
    assert refused(many).endswith("has a list of files of more than 1000 bytes")


def test_an_archive_with_a_second_list(tmp_path: Path) -> None:
    raw = zip_bytes(FILES)
    end = raw.rindex(b"PK\x05\x06")
    locator = b"PK\x06\x07" + struct.pack("<LQL", 0, end, 1)
    path = tmp_path / "a.zip"
    path.write_bytes(raw[:end] + locator + raw[end:])
    assert refused(path).endswith("is a zip archive of the kind for more than 4 GiB")


@pytest.mark.parametrize("raw", [b"", b"PK", b"PK\x05\x06" + bytes(18), b"x" * 100_000, b"PK\x05\x06" + bytes(10)])
def test_what_is_no_archive(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(raw)
    assert refused(path).partition("a.zip: ")[2] in {"is no zip archive", "has no plugin.toml"}


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_archive_is_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    raw = bytearray(zip_bytes(FILES))
    for _ in range(data.draw(st.integers(1, 6))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "a.zip"
    path.write_bytes(raw[: data.draw(st.integers(0, len(raw)) | st.just(len(raw)))])
    try:
        package = open_package(path)
    except InvalidPluginError:
        return
    assert all(".." not in name and not name.startswith("/") for name in package.files)


@pytest.mark.parametrize("manifest", ["plugin.toml", "acme_words/plugin.toml", "acme_words-1.0.dist-info/plugin.toml"])
def test_a_wheel(tmp_path: Path, manifest: str) -> None:
    path = make_zip(tmp_path / "acme_words-1.0-py3-none-any.whl", wheel_files(manifest))
    package = open_package(path)
    assert package.manifest.entry == "acme_words"
    expected = {"plugin.toml", "acme_words/__init__.py", "acme_words/words.txt"}
    assert set(package.files) == expected | ({manifest} if manifest.startswith("acme_words/") else set())
    package.write(tmp_path / "written")
    assert open_package(tmp_path / "written").digest == package.digest


def test_a_wheel_with_no_manifest_or_two(tmp_path: Path) -> None:
    files = wheel_files("acme_words/plugin.toml")
    path = tmp_path / "acme_words-1.0-py3-none-any.whl"
    make_zip(path, {**files, "acme_words-1.0.dist-info/plugin.toml": b""})
    assert refused(path).endswith("has several manifests: acme_words-1.0.dist-info/plugin.toml, acme_words/plugin.toml")
    del files["acme_words/plugin.toml"]
    assert refused(make_zip(path, files)).endswith("acme_words-1.0-py3-none-any.whl: has no plugin.toml")
    make_zip(path, wheel_files("acme_words/plugin.toml", entry="other"))
    assert "whl/acme_words/plugin.toml:5: plugin.entry: the plugin has neither other.py nor" in refused(path)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is looked through for distributions, like site-packages."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    return folder


@pytest.mark.parametrize("manifest", ["acme_words/plugin.toml", "acme_words-1.0.dist-info/plugin.toml"])
def test_an_installed_distribution(site: Path, manifest: str) -> None:
    make_folder(site, wheel_files(manifest))
    make_folder(site, {"other/module.py": b"", "acme_words/unlisted.py": b""})
    package = open_installed("word-count")
    assert (package.manifest.name, package.origin) == ("word-count", "acme-words 1.0")
    assert {"plugin.toml", "acme_words/__init__.py", "acme_words/words.txt"} <= set(package.files)
    assert set(package.files) <= {"plugin.toml", "acme_words/__init__.py", "acme_words/words.txt", manifest}
    assert "acme_words" not in sys.modules
    assert open_installed("Acme.Words") == package


def test_installed_distributions_that_are_no_plugins(site: Path) -> None:
    with pytest.raises(InvalidPluginError, match="no installed distribution has a plugin 'word-count'; there are none"):
        open_installed("word-count")
    make_folder(site, wheel_files("acme_words/plugin.toml"))
    with pytest.raises(InvalidPluginError, match="has a plugin 'other'; there are word-count"):
        open_installed("other")
    (site / "acme_words" / "plugin.toml").unlink()
    with pytest.raises(InvalidPluginError, match=r"acme-words 1\.0: 'acme_words/plugin\.toml' cannot be read: No such"):
        open_installed("word-count")
    info = site / "acme_words-1.0.dist-info"
    (info / "RECORD").write_text("acme_words/__init__.py,,\n")
    with pytest.raises(InvalidPluginError, match=r"acme-words 1\.0: has no acme_words/plugin\.toml"):
        open_installed("word-count")
    (info / "RECORD").unlink()
    with pytest.raises(InvalidPluginError, match="does not list its files"):
        open_installed("word-count")
    make_folder(site / "x", {})
    other = site / "other-1.dist-info"
    make_folder(
        other, {"METADATA": b"Name: other\nVersion: 1\n", "entry_points.txt": b"[wasihost.plugins]\nword-count=o"}
    )
    with pytest.raises(
        InvalidPluginError, match="several plugins 'word-count': word-count of acme-words, word-count of other"
    ):
        open_installed("word-count")
