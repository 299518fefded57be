"""An image in a file: what `export` writes comes back whole, and nothing that was made otherwise is taken for one.

After each refusal the image that had the name before is as it was, to the byte.
"""

from __future__ import annotations

import copy
import json
import os
import random
import stat
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from image_lab import DEMO, make_cache, make_wheel, sha256

from wasihost import Image, Outcome, Sandbox
from wasihost.errors import EngineError, InvalidImageError, UnknownImageError, UnusableImageError, WasiHostError
from wasihost.image import transfer
from wasihost.image.named import files_of
from wasihost.image.transfer import DESCRIPTION, MEMORY, _read_head

RUNTIME = "cpython-3.11"
"""The one with the smallest memory."""
Members = dict[str, bytes]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("transfer")
    own = make_cache(folder, RUNTIME)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WASIHOST_CACHE_DIR", str(own))
        yield own


@pytest.fixture(scope="module")
def image(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Image:
    wheel = make_wheel(tmp_path_factory.mktemp("wheels"), files={**DEMO, "demo/empty.txt": b""})
    return Image.build(
        name="report", runtime=RUNTIME, packages=[wheel], modules=["demo"], setup="X = [demo_answer := 42]"
    )


@pytest.fixture(scope="module")
def exported(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exports") / "report.image"
    assert image.export(path) == sha256(path.read_bytes())
    return path


@pytest.fixture(scope="module")
def members(exported: Path) -> Members:
    with zipfile.ZipFile(exported) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


@pytest.fixture(scope="module")
def head(members: Members) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(members[DESCRIPTION])
    return said


def write(path: Path, members: Members, *, kind: int = zipfile.ZIP_STORED, modes: dict[str, int] | None = None) -> Path:
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = kind
            info.external_attr = (modes or {}).get(name, stat.S_IFREG | 0o644) << 16
            archive.writestr(info, data)
    return path


def state(cache: Path) -> list[tuple[str, int, int]]:
    return [(name, path.stat().st_mtime_ns, path.stat().st_size) for name, path in files_of(cache / "named")]


@pytest.fixture
def refused(cache: Path, image: Image) -> Iterator[Callable[..., str]]:
    """Import, and return the message of the refusal."""

    def call(path: Path, error: type[WasiHostError] = InvalidImageError, **more: Any) -> str:
        before = state(cache)
        with pytest.raises(WasiHostError) as caught:
            Image.import_file(path, **more)
        assert type(caught.value) is error, caught.value
        assert state(cache) == before
        assert list((cache / "tmp").iterdir()) == []
        assert Image.find("report", runtime=RUNTIME) == image
        message = str(caught.value)
        assert "\n" not in message
        return message

    return call


# -- the twin ---------------------------------------------------------------------------------------------------------


def test_an_exported_image_comes_back(cache: Path, image: Image, exported: Path, members: Members) -> None:
    assert list(members)[:2] == [DESCRIPTION, MEMORY]
    assert {name for name in members if ".dist-info" not in name} == {
        DESCRIPTION,
        MEMORY,
        "packages/demo/__init__.py",
        "packages/demo/data.txt",
        "packages/demo/empty.txt",
        "packages/demo/inner.py",
    }
    assert exported.stat().st_mode & 0o777 == 0o644
    other = Image.import_file(exported, name="other", sha256=sha256(exported.read_bytes()).upper())
    assert other.name == "other"
    for field in ("runtime", "python", "packages", "modules", "setup", "entropy", "memory_bytes", "created", "sha256"):
        assert getattr(other, field) == getattr(image, field)
    code = "import sys\nassert 'demo' in sys.modules\nimport demo.inner\n[X, demo.ANSWER, open(demo.__file__).read()]"
    with Sandbox(image=other) as sandbox:
        assert sandbox.run(code).value == [[42], 42, DEMO["demo/__init__.py"].decode()]
    assert Image.find("report", runtime=RUNTIME) == image
    again = exported.with_name("again.image")
    other.export(again)
    with zipfile.ZipFile(again) as archive:
        assert {name: archive.read(name) for name in archive.namelist() if name != DESCRIPTION} == {
            name: data for name, data in members.items() if name != DESCRIPTION
        }
    other.remove()


def test_an_import_replaces_the_image_of_that_name(cache: Path, exported: Path) -> None:
    first = Image.build(name="replaced", runtime=RUNTIME, setup="Y = 1")
    with Sandbox(image=first, workers=1) as sandbox:
        assert sandbox.run("Y").value == 1
        second = Image.import_file(exported, name="replaced")
        assert sandbox.run("Y").value == 1  # what runs on the old one can go on
    assert Image.find("replaced", runtime=RUNTIME) == second
    with pytest.raises(UnknownImageError, match=r"^the image replaced of cpython-3\.11 was replaced by another$"):
        first.export(exported.with_name("x"))
    second.remove()


def test_a_failed_export_leaves_what_was_there(image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.image"
    path.write_bytes(b"before")

    def fail(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        image.export(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.image"]
    assert path.read_bytes() == b"before"
    with pytest.raises(FileNotFoundError):
        image.export(tmp_path / "none" / "x")


# -- the file ---------------------------------------------------------------------------------------------------------


def test_a_file_that_is_not_there(refused: Callable[..., str], tmp_path: Path) -> None:
    assert refused(tmp_path / "none") == f"{tmp_path / 'none'} cannot be read: No such file or directory"
    assert refused(tmp_path) == f"{tmp_path} is no file"
    os.mkfifo(tmp_path / "pipe")
    assert refused(tmp_path / "pipe") == f"{tmp_path / 'pipe'} is no file"
    assert refused(Path("/dev/zero"), sha256="0" * 64) == "/dev/zero is no file"


def test_another_digest_than_was_asked_for(refused: Callable[..., str], exported: Path) -> None:
    found = sha256(exported.read_bytes())
    for wanted in ("0" * 64, "", "x"):
        message = refused(exported, sha256=wanted)
        assert message == f"report.image has sha256 {found}, but {wanted} was asked for"


@pytest.mark.parametrize("name", ["", "Report", "../x", "a b", "x" * 65, "-x"])
def test_a_name_that_cannot_be(refused: Callable[..., str], exported: Path, name: str) -> None:
    assert refused(exported, name=name) == (
        f"an image is called 1 to 64 of a-z, 0-9, and inside also dot, dash and underscore, not {name!r}"
    )


def test_a_name_of_the_runtime_itself(refused: Callable[..., str], exported: Path) -> None:
    assert refused(exported, name="base") == (
        "base is an image of the runtime cpython-3.11 itself: give it another name"
    )


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"<html>", b"\0" * 10_000])
def test_a_file_that_is_no_image(refused: Callable[..., str], tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    assert refused(tmp_path / "x") == "x is no exported image (BadZipFile)"


@pytest.mark.parametrize("part", [0.1, 0.5, 0.999])
def test_a_truncated_file(refused: Callable[..., str], exported: Path, tmp_path: Path, part: float) -> None:
    data = exported.read_bytes()
    (tmp_path / "x").write_bytes(data[: int(len(data) * part)])
    assert refused(tmp_path / "x") == "x is no exported image (BadZipFile)"


def test_a_byte_of_the_stored_memory_was_edited(refused: Callable[..., str], members: Members, tmp_path: Path) -> None:
    path = write(tmp_path / "x", members)
    data = bytearray(path.read_bytes())
    place = data.index(members[MEMORY][:4096]) + len(members[MEMORY]) // 2
    data[place] ^= 1
    path.write_bytes(data)
    message = refused(path)
    assert message == "x is no whole image: x cannot be read as an archive: Bad CRC-32 for file 'image.bin'"


def test_a_byte_of_the_memory_was_edited_and_the_archive_made_anew(
    refused: Callable[..., str], members: Members, tmp_path: Path
) -> None:
    memory = bytearray(members[MEMORY])
    memory[len(memory) // 2] ^= 1
    path = write(tmp_path / "x", {**members, MEMORY: bytes(memory)})
    assert refused(path) == "x holds another memory than it says: it was damaged or edited"


def test_random_damage_to_the_description(tmp_path: Path, members: Members) -> None:
    path = write(tmp_path / "x", {DESCRIPTION: members[DESCRIPTION]}, kind=zipfile.ZIP_DEFLATED)
    _read_head(path, path)
    sound, dice = path.read_bytes(), random.Random(4)
    refusals = 0
    for _ in range(1500):
        data = bytearray(sound)
        for _ in range(dice.choice([1, 1, 4])):
            data[dice.randrange(len(data))] = dice.randrange(256)
        path.write_bytes(data)
        try:
            _read_head(path, path)
        except InvalidImageError:
            refusals += 1
    assert refusals > 500


def test_an_encrypted_description(refused: Callable[..., str], members: Members, tmp_path: Path) -> None:
    path = write(tmp_path / "x", {DESCRIPTION: members[DESCRIPTION]})
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    path.write_bytes(data)
    assert refused(path) == "x is no exported image (RuntimeError)"


# -- members ----------------------------------------------------------------------------------------------------------

NOT_WHOLE = "x is no whole image: "


@pytest.mark.parametrize(
    "name",
    [
        "../climbed",
        "packages/../../../climbed",
        "packages/demo/../../../../climbed",
        "/climbed",
        "//climbed",
        "packages//climbed",
        "./climbed",
        "packages\\..\\climbed",
        "packages/new\nline",
        "packages/\x1b[2J",
        "packages/" + "x" * 256,
        "..",
        "packages/..",
    ],
)
def test_a_member_that_would_be_written_elsewhere(
    refused: Callable[..., str], members: Members, tmp_path: Path, name: str
) -> None:
    small = {DESCRIPTION: members[DESCRIPTION], name: b"climbed", MEMORY: b""}
    assert refused(write(tmp_path / "x", small)) == (
        f"{NOT_WHOLE}x holds the name {name[:200]!r}, which could be written elsewhere"
    )
    assert list(tmp_path.rglob("climbed")) == []


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
@pytest.mark.parametrize("name", ["packages/link", MEMORY, "packages"])
def test_a_member_that_is_no_file(
    refused: Callable[..., str], members: Members, tmp_path: Path, name: str, kind: int
) -> None:
    small = {DESCRIPTION: members[DESCRIPTION], MEMORY: b"", name: b"/etc"}
    path = write(tmp_path / "x", small, modes={name: kind | 0o777})
    assert refused(path) == f"{NOT_WHOLE}x holds {name!r}, which is neither a file nor a folder"


@pytest.mark.parametrize("name", [DESCRIPTION, MEMORY, "packages/a"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_is_there_twice(refused: Callable[..., str], members: Members, tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "x", {DESCRIPTION: members[DESCRIPTION], MEMORY: b"", "packages/a": b""})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, members[DESCRIPTION])
    assert refused(path) == f"{NOT_WHOLE}two files would both be unpacked as {name!r}"


def test_a_file_in_the_place_of_a_folder(refused: Callable[..., str], members: Members, tmp_path: Path) -> None:
    small = {DESCRIPTION: members[DESCRIPTION], MEMORY: b"", "packages": b"", "packages/a": b""}
    assert refused(write(tmp_path / "x", small)) == f"{NOT_WHOLE}two files would both be unpacked as 'packages/a'"


@pytest.mark.parametrize("more", ["other", "image.txt", "other/file", "packages"])
def test_something_else_beside_the_image(
    refused: Callable[..., str], members: Members, tmp_path: Path, more: str
) -> None:
    small = {DESCRIPTION: members[DESCRIPTION], MEMORY: b"", more: b""}
    assert refused(write(tmp_path / "x", small)) == "x holds something else than an image"


def test_no_memory(refused: Callable[..., str], members: Members, tmp_path: Path) -> None:
    small = {DESCRIPTION: members[DESCRIPTION], "packages/a": b""}
    assert refused(write(tmp_path / "x", small)) == "x holds something else than an image"


def test_a_bomb_that_says_its_size(
    refused: Callable[..., str], members: Members, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "MAX_BYTES", 2**20)
    small = {DESCRIPTION: members[DESCRIPTION], MEMORY: b"", "packages/bomb": bytes(2**21)}
    path = write(tmp_path / "x", small, kind=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 20_000
    assert refused(path) == f"{NOT_WHOLE}x unpacks to more than 1048576 bytes"


def test_a_bomb_that_does_not(refused: Callable[..., str], members: Members, tmp_path: Path) -> None:
    """The unpacked size in both headers is a lie; what is believed of it is never more than it says."""
    small = {DESCRIPTION: members[DESCRIPTION], MEMORY: b"", "packages/bomb": bytes(2**24)}
    path = write(tmp_path / "x", small, kind=zipfile.ZIP_DEFLATED)
    data = path.read_bytes()
    assert data.count(struct.pack("<I", 2**24)) == 2
    path.write_bytes(data.replace(struct.pack("<I", 2**24), struct.pack("<I", 1000)))
    message = refused(path)
    assert message.startswith(NOT_WHOLE)
    assert "'packages/bomb'" in message or "larger than the 1000 bytes" in message


def test_a_description_that_is_too_long(
    refused: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "x", {DESCRIPTION: b" " * (16 * 2**20 + 1)}, kind=zipfile.ZIP_DEFLATED)
    assert refused(path) == "x has a description of 16777217 bytes"


def test_too_many_files(
    refused: Callable[..., str], members: Members, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "MAX_FILES", 10)
    small = {DESCRIPTION: members[DESCRIPTION], MEMORY: b"", **{f"packages/{n}": b"" for n in range(9)}}
    assert refused(write(tmp_path / "x", small)) == f"{NOT_WHOLE}x holds more than 10 files"


# -- the description --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (b"", "JSONDecodeError"),
        (b"{", "JSONDecodeError"),
        (b"\xff", "UnicodeDecodeError"),
        (b"[" * 100_000, "RecursionError"),
        (b'{"a": ' + b"9" * 5000 + b"}", "ValueError"),
    ],
)
def test_a_description_that_is_no_json(refused: Callable[..., str], tmp_path: Path, text: bytes, error: str) -> None:
    assert refused(write(tmp_path / "x", {DESCRIPTION: text})) == f"x is no exported image ({error})"


def test_no_description(refused: Callable[..., str], members: Members, tmp_path: Path) -> None:
    assert refused(write(tmp_path / "x", {MEMORY: b""})) == "x is no exported image (KeyError)"


Change = Callable[[dict[str, Any]], object]


def edited(tmp_path: Path, head: dict[str, Any], change: Change, **members: bytes) -> Path:
    said = copy.deepcopy(head)
    change(said)
    return write(tmp_path / "x", {DESCRIPTION: json.dumps(said).encode(), **members})


def put(*path: str | int, to: Any) -> Change:
    """Change one field, however deep it lies."""

    def change(said: Any) -> None:
        for step in path[:-1]:
            said = said[step]
        said[path[-1]] = to

    change.__name__ = f"{'.'.join(map(str, path))}={str(to)[:20]}"
    return change


@pytest.mark.parametrize(
    "change",
    [
        put("format", to="wasihost image 2"),
        put("format", to=None),
        put("format", to=1),
        put("sha256", to=None),
        put("sha256", to=5),
    ],
)
def test_another_format(refused: Callable[..., str], head: dict[str, Any], tmp_path: Path, change: Change) -> None:
    assert refused(edited(tmp_path, head, change)) == "x is no exported image of this version"


@pytest.mark.parametrize("text", [b"null", b"[]", b"5", b'"x"', b"{}"])
def test_something_else_than_a_description(refused: Callable[..., str], tmp_path: Path, text: bytes) -> None:
    assert refused(write(tmp_path / "x", {DESCRIPTION: text})) == "x is no exported image of this version"


FIELDS = [
    "runtime", "name", "parent", "python", "markers", "imported", "modules", "setup", "packages", "entropy", "created",
    "seconds", "layout",
]  # fmt: skip


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_of_another_type(refused: Callable[..., str], head: dict[str, Any], tmp_path: Path, field: str) -> None:
    assert set(FIELDS) | {"format", "sha256"} == set(head)
    wrong = [value for value in (None, "x", {}, [], 5) if type(value) is not type(head[field])]
    if field == "seconds":
        wrong.remove(5)
    for value in wrong:
        message = refused(edited(tmp_path, head, put(field, to=value)))
        assert message == f"x: its description has no {field} of the right kind"
    message = refused(edited(tmp_path, head, lambda said: said.pop(field)))
    assert message == f"x: its description has no {field} of the right kind"


@pytest.mark.parametrize(
    "change",
    [
        put("modules", to=[1]),
        put("modules", to=["a", None]),
        put("imported", to=[["a"]]),
        put("markers", to={"a": 1}),
        put("markers", to={"a": None}),
        put("entropy", to=["setup"]),
        put("entropy", to=[["setup"]]),
        put("entropy", to=[["setup", "1"]]),
        put("entropy", to=[["setup", 1.5]]),
        put("entropy", to=[["setup", True]]),
        put("entropy", to=[[1, 1]]),
        put("packages", to=["demo"]),
        put("packages", to=[[]]),
        put("packages", to=[{}]),
        put("packages", 0, "more", to="x"),
        put("packages", 0, "requested", to="yes"),
        put("packages", 0, "requested", to=1),
        put("packages", 0, "name", to=None),
        put("packages", 0, "name", to=""),
        put("packages", 0, "name", to="Demo"),
        put("packages", 0, "name", to="../demo"),
        put("packages", 0, "name", to="demo\n--index-url=http://example.org/"),
        put("packages", 0, "version", to=1),
        put("packages", 0, "version", to=""),
        put("packages", 0, "version", to="1.0 --index-url=http://example.org/"),
        put("packages", 0, "version", to="1.0\x1b[2J"),
        put("packages", 0, "source", to="elsewhere"),
        put("packages", 0, "file", to="../demo.whl"),
        put("packages", 0, "file", to="demo\n.whl"),
        put("packages", 0, "sha256", to="0" * 63),
        put("packages", 0, "sha256", to="0" * 64 + "\n"),
        put("packages", 0, "sha256", to="A" * 64),
    ],
    ids=lambda change: change.__name__,
)
def test_a_list_with_something_of_another_kind(
    refused: Callable[..., str], head: dict[str, Any], tmp_path: Path, change: Change
) -> None:
    assert refused(edited(tmp_path, head, change)) == "x: its description holds something of the wrong kind"


@pytest.mark.parametrize(
    "change",
    [put("runtime", to="../x"), put("runtime", to=""), put("name", to="../x"), put("name", to="A"), put("name", to="")],
)
def test_a_name_that_cannot_be_in_the_description(
    refused: Callable[..., str], head: dict[str, Any], tmp_path: Path, change: Change
) -> None:
    assert refused(edited(tmp_path, head, change)) == "x: its description names a runtime or an image that cannot be"


def test_a_runtime_that_is_not_known(refused: Callable[..., str], head: dict[str, Any], tmp_path: Path) -> None:
    from wasihost.errors import UnknownRuntimeError

    message = refused(edited(tmp_path, head, put("runtime", to="cpython-9")), UnknownRuntimeError)
    assert "cpython-9" in message


def test_the_name_of_a_shipped_image(refused: Callable[..., str], head: dict[str, Any], tmp_path: Path) -> None:
    assert refused(edited(tmp_path, head, put("name", to="base"))) == (
        "base is an image of the runtime cpython-3.11 itself: give it another name"
    )


@pytest.mark.parametrize("parent", ["", "cpython-3.11-base-0123456789abcdef", "../x"])
def test_another_parent(refused: Callable[..., str], head: dict[str, Any], tmp_path: Path, parent: str) -> None:
    assert refused(edited(tmp_path, head, put("parent", to=parent)), UnusableImageError) == (
        "the image report was built for another version of wasihost or of cpython-3.11: "
        "build it anew here, or import it there"
    )


# -- the layout of the memory -----------------------------------------------------------------------------------------

NO_SENSE = "x: its description of the memory makes no sense"
FAR = 2**32


def same_slots(said: dict[str, Any]) -> None:
    said["layout"]["slots"].pop()


@pytest.mark.parametrize(
    "change",
    [
        put("layout", to={}),
        put("layout", "entry", to=-1),
        put("layout", "entry", to=FAR),
        put("layout", "entry", to="5"),
        put("layout", "entry", to=5.0),
        put("layout", "entry", to=True),
        put("layout", "entry", to=None),
        put("layout", "entry", to=10**400),
        put("layout", "entry_index", to=-1),
        put("layout", "entry_index", to=2**32),
        put("layout", "entry_index", to="1"),
        put("layout", "mailbox", to=-1),
        put("layout", "mailbox", to=FAR),
        put("layout", "mailbox", to=float("nan")),
        put("layout", "mailbox", to=float("inf")),
        put("layout", "slots", to=[]),
        put("layout", "slots", to="0123456789abcde"),
        put("layout", "slots", to={str(n): n for n in range(15)}),
        put("layout", "slots", 0, to=-1),
        put("layout", "slots", 0, to=FAR),
        put("layout", "slots", 0, to="7"),
        same_slots,
        lambda said: said["layout"]["slots"].append(0),
        put("layout", "slot_bytes", to=121),
        put("layout", "slot_bytes", to=2**20),
        put("layout", "slot_bytes", to=-1),
        put("layout", "globals", to=[]),
        put("layout", "globals", to=None),
        put("layout", "globals", to=[["a"]]),
        put("layout", "globals", 0, 0, to="memory"),
        put("layout", "globals", 0, 0, to=["wasihost:global:0"]),
        put("layout", "globals", 0, 1, to="i64"),
        put("layout", "globals", 0, 1, to="v128"),
        put("layout", "globals", 0, 2, to=2**32),
        put("layout", "globals", 0, 2, to=-(2**31) - 1),
        put("layout", "globals", 0, 2, to="1"),
        lambda said: said["layout"]["globals"].reverse(),
        lambda said: said["layout"]["globals"].append(["wasihost:global:9", "i32", 0]),
        put("layout", "output", to=[]),
        put("layout", "output", to="x"),
        put("layout", "output", to={}),
        put("layout", "output", "pointer_at", to=-1),
        put("layout", "output", "pointer_at", to=FAR),
        put("layout", "output", "pointer_at", to="5"),
        put("layout", "output", "start_at", to=1.5),
        put("layout", "output", "end_at", to=None),
        put("layout", "output", "more", to=1),
        put("layout", "random", to=-4),
        put("layout", "random", to=2**20 - 2496),
        put("layout", "random", to=FAR),
        put("layout", "random", to="7"),
        put("layout", "random", to=1.5),
        put("layout", "random", to=True),
        lambda said: said["layout"].pop("random"),
    ],
    ids=lambda change: change.__name__,
)
def test_a_layout_that_makes_no_sense(
    refused: Callable[..., str], head: dict[str, Any], tmp_path: Path, change: Change
) -> None:
    small = {**head, "layout": {**head["layout"], "memory_bytes": 2**20, "entry": 0, "mailbox": 0, "slots": [0] * 15}}
    small["layout"] |= {"output": {"pointer_at": 0, "start_at": 0, "end_at": 0}, "random": 2**20 - 2500}
    more = {MEMORY: bytes(2**20), "packages/a": b""}
    small["sha256"] = sha256(more[MEMORY])
    assert refused(edited(tmp_path, small, change, **more)) == NO_SENSE


def test_the_small_one_would_be_taken(cache: Path, head: dict[str, Any], tmp_path: Path) -> None:
    """The twin of those above: a memory of zeros with addresses in it is an image, of a guest that does not live."""
    small = {**head, "name": "small", "layout": {**head["layout"], "memory_bytes": 2**20, "entry": 0, "mailbox": 0}}
    small["layout"] |= {
        "slots": [0] * 15,
        "output": {"pointer_at": 0, "start_at": 0, "end_at": 0},
        "random": 2**20 - 2500,
    }
    small["sha256"] = sha256(bytes(2**20))
    path = edited(tmp_path, small, lambda _said: None, **{MEMORY: bytes(2**20), "packages/a": b""})
    found = Image.import_file(path)
    assert found.memory_bytes == 2**20
    found.remove()


@pytest.mark.parametrize("size", [2**20 - 1, 2**20 + 65536, 2**20 + 1, 0, -(2**20), 2**33])
def test_a_memory_of_another_size(refused: Callable[..., str], head: dict[str, Any], tmp_path: Path, size: int) -> None:
    path = edited(tmp_path, head, put("layout", "memory_bytes", to=size), **{MEMORY: bytes(2**20)})
    assert refused(path) == "x: its memory has not the size that its description says"


@pytest.mark.parametrize("size", [0, 65536 + 8])
def test_a_memory_of_no_whole_pages(
    refused: Callable[..., str], head: dict[str, Any], tmp_path: Path, size: int
) -> None:
    path = edited(tmp_path, head, put("layout", "memory_bytes", to=size), **{MEMORY: bytes(size)})
    assert refused(path) == "x: its memory has not the size that its description says"


def test_slots_are_as_many_as_the_packages_leave(
    refused: Callable[..., str], head: dict[str, Any], members: Members, tmp_path: Path
) -> None:
    """One slot belongs to the packages: without them the 15 of the image are too few, and 16 with them too many."""
    said = {DESCRIPTION: members[DESCRIPTION], MEMORY: members[MEMORY]}
    assert refused(write(tmp_path / "x", said)) == NO_SENSE


def test_counters_of_the_host_are_ours(
    cache: Path, image: Image, head: dict[str, Any], members: Members, tmp_path: Path
) -> None:
    """A file that says how many files are open or how much may be written is not heard."""
    assert [name for name, *_ in head["layout"]["globals"] if not name.startswith("wasihost:global:")] == [
        "wasihost:streams",
        "wasihost:open_count",
        "wasihost:open_limit",
        "wasihost:files_left",
        "wasihost:disk_left",
        "wasihost:entropy_reads",
    ]
    said = copy.deepcopy(head)
    for entry in said["layout"]["globals"]:
        if not entry[0].startswith("wasihost:global:"):
            entry[2] = 0
    found = Image.import_file(
        write(tmp_path / "x", {**members, DESCRIPTION: json.dumps(said).encode()}), name="counted"
    )
    stored = found.files().description()["layout"]
    assert stored["globals"] == image.files().description()["layout"]["globals"]
    with Sandbox(image=found) as sandbox:
        assert sandbox.run("print(X)").stdout == "[42]\n"
    found.remove()


@pytest.mark.parametrize(
    ("field", "place", "end"),
    [
        ("entry_index", 2**31, "the image's entry function is not in the function table"),
        ("entry", 65536, "unreachable code was reached (code outside the slice traps like this)"),
        ("mailbox", 65536, "the interpreter came back without a reply"),
    ],
)
def test_a_wrong_address_harms_nobody_but_the_guest(
    cache: Path, head: dict[str, Any], members: Members, tmp_path: Path, field: str, place: int, end: str
) -> None:
    """What cannot be told from a sound image may be one that does not work: who starts on it hears so."""
    said = copy.deepcopy(head)
    said["layout"][field] = place
    path = write(tmp_path / "x", {**members, DESCRIPTION: json.dumps(said).encode()})
    found = Image.import_file(path, name="broken")
    with pytest.raises(EngineError) as caught:
        Sandbox(image=found, workers=1)
    assert str(caught.value).startswith("a worker process could not be made ready: ")
    assert str(caught.value).endswith(end)
    with Sandbox(image=found, containment="in-process") as sandbox:
        if field == "entry_index":
            with pytest.raises(EngineError, match=end):
                sandbox.run("print(1)")
        else:
            result = sandbox.run("print(1)")
            assert (result.outcome, result.detail, result.stdout) == (Outcome.GUEST_CRASHED, end, "")
    found.remove()
