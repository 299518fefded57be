"""Files that only look like saved sessions, and checkpoints that no turn makes: refused, and nothing is left behind."""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wasihost import Limits, Outcome, Sandbox, Scratch, Session, errors
from wasihost.engine.layers import Checkpoint, SessionMemory
from wasihost.engine.runs import PAGE_BYTES

LIMITS = Limits(memory_bytes=2**27, fuel=2_000_000_000, deadline_seconds=5.0)
REFUSED = (errors.InvalidSessionError, errors.UnusableSessionError, errors.InvalidLimitsError)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(containment="in-process", preopens=[Scratch("/tmp")], limits=LIMITS) as made:
        yield made


@pytest.fixture(scope="module")
def saved(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("saved") / "session"
    with sandbox.session() as session:
        session.run("x = 41\nopen('/tmp/a', 'w').write('a')")
        session.save(path)
    return path.read_bytes()


def contents(raw: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


@pytest.fixture
def load(sandbox: Sandbox, tmp_path: Path) -> Callable[[bytes], Session]:
    def call(raw: bytes) -> Session:
        path = tmp_path / "given"
        path.write_bytes(raw)
        return Session.load(path, sandbox=sandbox)

    return call


def layers() -> int:
    """How many files for the memory of sessions this process has open."""
    found = 0
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found += "wasihost-session" in str(link.readlink())
    return found


@pytest.fixture(autouse=True)
def nothing_is_left(sandbox: Sandbox, saved: bytes) -> Iterator[None]:
    before = layers()
    yield
    gc.collect()  # what was raised holds what it was raised about
    assert sandbox.sessions == ()
    assert layers() <= before


def test_the_twin_is_taken(load: Callable[[bytes], Session], saved: bytes) -> None:
    with load(saved) as session:
        assert session.run("[x, open('/tmp/a').read()]").value == [41, "a"]
    with load(pack(contents(saved))) as session:
        assert session.run("x").value == 41


EDITS: dict[str, tuple[str, Any]] = {
    "another format": ("format", "wasihost session 2"),
    "no format": ("format", None),
    "a runtime that cannot be": ("runtime", "../../etc"),
    "an image that cannot be": ("image", "a/b"),
    "another image": ("image_sha256", "0" * 64),
    "a digest that is no text": ("image_sha256", 7),
    "another digest of the pages": ("pages_sha256", "0" * 64),
    "no memory": ("memory_bytes", 0),
    "half a page of memory": ("memory_bytes", 50_000_001),
    "too much memory": ("memory_bytes", 2**40),
    "negative memory": ("memory_bytes", -65536),
    "no globals": ("globals", []),
    "globals of another kind": ("globals", [["wasihost:global:0", "f64", 1]]),
    "a global that is too large": ("globals", "largest"),
    "globals that are none": ("globals", 7),
    "extents that are none": ("extents", {"a": 1}),
    "an extent beyond the memory": ("extents", [[0, 2**31]]),
    "a negative extent": ("extents", [[-5, 2]]),
    "an empty extent": ("extents", [[5, 0]]),
    "extents that overlap": ("extents", [[5, 2], [6, 2]]),
    "extents in another order": ("extents", [[9, 1], [6, 1]]),
    "extents of truth": ("extents", [[True, True]]),
    "fewer pages than said": ("extents", [[5, 5000]]),
    "more pages than said": ("extents", [[5, 1]]),
    "turns that are no number": ("turns", "3"),
    "lost files that are none": ("lost", [1]),
    "folders that are none": ("folders", 3),
    "a folder without a path": ("folders", [{}]),
    "a file that leads out": ("folders", [{"guest": "/tmp", "overlay": False, "files": ["../../out"]}]),
    "a file from the root": ("folders", [{"guest": "/tmp", "overlay": False, "files": ["/etc/passwd"]}]),
    "a file that is missing": ("folders", [{"guest": "/tmp", "overlay": False, "files": ["a", "b", "c"]}]),
}


@pytest.mark.parametrize("edit", EDITS)
def test_edited_descriptions(load: Callable[[bytes], Session], saved: bytes, edit: str) -> None:
    members = contents(saved)
    head = json.loads(members["session.json"])
    field, value = EDITS[edit]
    if value == "largest":
        value = [[name, kind, 2**64] for name, kind, _ in head["globals"]]
    head[field] = value
    with pytest.raises(REFUSED) as caught:
        load(pack({**members, "session.json": json.dumps(head).encode()}))
    assert "given" in str(caught.value)


def test_a_description_that_is_too_deep_or_no_json(load: Callable[[bytes], Session], saved: bytes) -> None:
    members = contents(saved)
    for head in (b"[" * 100_000, b"\xff", b"", b"null", b'{"format": "wasihost session 1"}'):
        with pytest.raises(errors.InvalidSessionError):
            load(pack({**members, "session.json": head}))


def test_pages_that_unpack_without_end(load: Callable[[bytes], Session], saved: bytes) -> None:
    """What is read is what the description says, and no more."""
    members = contents(saved)
    bomb = members["pages.bin"] + bytes(200_000_000)
    with pytest.raises(errors.InvalidSessionError, match="holds another memory than it says"):
        load(pack({**members, "pages.bin": bomb}))


def test_things_that_are_no_files(sandbox: Sandbox, tmp_path: Path, saved: bytes) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises((errors.InvalidSessionError, IsADirectoryError)):
            Session.load(path, sandbox=sandbox)
    with pytest.raises(FileNotFoundError):
        Session.load(tmp_path / "missing", sandbox=sandbox)
    for raw in (b"", b"PK", b"PK\5\6" + bytes(18), saved[:-30], saved[: len(saved) // 2]):
        (tmp_path / "raw").write_bytes(raw)
        with pytest.raises(errors.InvalidSessionError):
            Session.load(tmp_path / "raw", sandbox=sandbox)


@given(st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_files(load: Callable[[bytes], Session], saved: bytes, data: st.DataObject) -> None:
    raw = bytearray(saved)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(raw) - 1) | st.integers(len(raw) - 400, len(raw) - 1))
        raw[at] ^= data.draw(st.integers(1, 255))
    try:
        session = load(bytes(raw))
    except (errors.WasiHostError, OSError):
        return
    # Bytes that nobody reads: dates, and what stands twice.
    with session:
        assert session.run("x").value == 41


def test_a_memory_that_was_made_up_gives_a_broken_guest(
    load: Callable[[bytes], Session], saved: bytes, sandbox: Sandbox
) -> None:
    """Its bytes are sound by their digest. Whatever the guest does then ends as an outcome, within the limits."""
    import hashlib
    import random

    members = contents(saved)
    head = json.loads(members["session.json"])
    for seed in range(4):
        pages = random.Random(seed).randbytes(len(members["pages.bin"]))
        head["pages_sha256"] = hashlib.sha256(pages).hexdigest()
        with load(pack({**members, "session.json": json.dumps(head).encode(), "pages.bin": pages})) as session:
            result = session.run("x")
            assert result.rolled_back and result.outcome in (
                Outcome.GUEST_CRASHED, Outcome.OUT_OF_FUEL, Outcome.DEADLINE_EXCEEDED, Outcome.HOST_CALL_LIMIT,
            )  # fmt: skip
    with sandbox.session() as session:
        assert session.run("6 * 7").value == 42


# -- checkpoints ------------------------------------------------------------------------------------------------------


def memory() -> SessionMemory:
    made = SessionMemory(memory_bytes=64 * PAGE_BYTES, globals=(("g", "i32", 1),), most_pages=128)
    made.own_layer()
    return made


def checkpoint(written: Any, memory_bytes: int = 64 * PAGE_BYTES) -> Checkpoint:
    return Checkpoint(memory_bytes=memory_bytes, globals=(("g", "i32", 2),), written=written, open_files=0)


FORGED: list[tuple[Any, int]] = [
    (((0, 0, 0),), 64 * PAGE_BYTES),
    (((0, -1, 0),), 64 * PAGE_BYTES),
    (((-1, 1, -1),), 64 * PAGE_BYTES),
    (((64, 1, 64),), 64 * PAGE_BYTES),
    (((0, 65, 0),), 64 * PAGE_BYTES),
    (((2**63, 1, 2**63),), 64 * PAGE_BYTES),
    (((3, 1, 4),), 64 * PAGE_BYTES),  # not one of the two places of that page
    (((3, 1, 2**32 + 3),), 64 * PAGE_BYTES),  # in another layer
    (((3, 1, -125),), 64 * PAGE_BYTES),
    (((0, 64, 0),) * 3, 64 * PAGE_BYTES),  # more than there is
    ((), 0),
    ((), -1),
    ((), 129 * PAGE_BYTES),
]


@pytest.mark.parametrize(("written", "size"), FORGED)
def test_forged_checkpoints_change_nothing(written: Any, size: int) -> None:
    made = memory()
    made.commit(checkpoint(((5, 2, 5),)), (("g", "i32", 2),))
    before = (made.pages.copy(), made.memory_bytes, made.globals, made.version)
    with pytest.raises(ValueError, match=r"makes? no sense"):
        made.commit(checkpoint(written, size), (("g", "i32", 3),))
    assert (made.pages, made.memory_bytes, made.globals, made.version) == before
    made.commit(checkpoint(((5, 2, 133),)), (("g", "i32", 4),))  # the twin
    assert made.pages == {5: 133, 6: 134}


def test_nothing_is_taken_over_without_a_turn() -> None:
    made = SessionMemory(memory_bytes=PAGE_BYTES, globals=(), most_pages=4)
    with pytest.raises(ValueError, match="makes no sense"):
        made.commit(checkpoint((), PAGE_BYTES), ())


# -- guests -----------------------------------------------------------------------------------------------------------


def test_a_turn_that_writes_its_own_reply() -> None:
    """The harness's names are within reach of a program; what it makes it say is checked, and the turn undone."""
    find = "import sys\nh = sys._getframe(1).f_globals\n"
    lies = {
        "no reply": "h['give_reply'] = lambda *a: None",
        "no JSON": "h['encode_reply'] = lambda header: 'nonsense'",
        "a length beyond": "h['encode_reply'] = lambda header: '{\"exit_code\": 0, \"value\": 99999}'",
        "a negative length": "h['encode_reply'] = lambda header: '{\"exit_code\": 0, \"value\": -5}'",
        "a status that is none": "h['encode_reply'] = lambda header: '{\"exit_code\": 1e3, \"value\": 0}'",
        "no length": "h['encode_reply'] = lambda header: '{\"exit_code\": 0}'",
        "displays that are none": "h['end_displays'] = lambda: (b'{}', 0)",
        "bundles that are none": "h['end_displays'] = lambda: (b'[1]', 0)",
        "too many displays": "h['end_displays'] = lambda: (b'[' + b','.join([b'{}'] * 200) + b']', 0)",
        "omitted that is no number": "h['end_displays'] = lambda: (b'[]', 'x')",
    }
    for containment in ("in-process", "process"):
        with Sandbox(containment=containment, limits=LIMITS) as sandbox, sandbox.session() as session:  # type: ignore[arg-type]
            session.run("x = 1")
            for name, lie in lies.items():
                result = session.run(f"x = 2\n{find}{lie}")
                assert (result.outcome, result.rolled_back) == (Outcome.GUEST_CRASHED, True), (name, result)
                assert session.run("x").value == 1
            truth = session.run(find + "h['end_displays'] = lambda: (b'[{\"text/plain\": \"mine\"}]', 0)")
            assert [dict(bundle) for bundle in truth.displays] == [{"text/plain": "mine"}]


def test_sessions_see_nothing_of_each_other() -> None:
    with Sandbox(workers=1, preopens=[Scratch("/tmp")], limits=LIMITS) as sandbox:
        first, second = sandbox.session(), sandbox.session()
        first.run("secret = 'the secret of the first ' * 1000\nopen('/tmp/secret', 'w').write(secret)\nimport gc")
        look = (
            "import gc, os\n[any('secret of the' + ' first' in str(o) for o in gc.get_objects()), os.listdir('/tmp')]"
        )
        assert second.run(look).value == [False, []]
        assert second.run("'secret' in globals()").value is False
        assert sandbox.run("import os\n['secret' in globals(), os.listdir('/tmp')]").value == [False, []]
        assert first.run("len(open('/tmp/secret').read())").value == len("the secret of the first ") * 1000
        with pytest.raises(PermissionError):
            first.files.read("/etc/passwd")
        second.run("os.symlink('secret', '/tmp/link')")
        with pytest.raises(OSError, match="/tmp/link"):
            second.files.read("/tmp/link")
