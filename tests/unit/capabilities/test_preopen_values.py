from __future__ import annotations

import dataclasses
import pickle
import posixpath
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wasihost.capabilities.preopen import MAX_GUEST_PATH_BYTES, Preopen, Scratch, check_guest_path, shown
from wasihost.errors import InvalidPreopenError

parts = st.text(st.sampled_from("ab.é \\-\x00\n\x1b\x85\ud800"), max_size=4)
paths = st.lists(parts, max_size=6).map("/".join) | st.lists(parts, max_size=6).map(lambda items: "/" + "/".join(items))


def is_normal(path: str) -> bool:
    """The rule in other words than the code's."""
    try:
        size = len(path.encode())
    except UnicodeEncodeError:
        return False
    return (
        path.startswith("/")
        and not path.startswith("//")
        and posixpath.normpath(path) == path
        and not any(control in path for control in (*map(chr, range(32)), *map(chr, range(127, 160))))
        and size <= 120
    )


@given(paths)
@example("/")
@example("//")
@example("//data")
@example("")
def test_guest_paths_are_exactly_the_normal_absolute_ones(path: str) -> None:
    if is_normal(path):
        assert check_guest_path(path) == path
    else:
        with pytest.raises(InvalidPreopenError, match="guest path"):
            check_guest_path(path)


@given(st.lists(st.text(st.sampled_from("abc.é"), min_size=3, max_size=9), max_size=5))
def test_what_is_built_from_ordinary_names_is_accepted(names: list[str]) -> None:
    names = [name for name in names if name.strip(".")]
    assert check_guest_path("/" + "/".join(names)) == "/" + "/".join(names)


@pytest.mark.parametrize(
    ("refused", "spelling"),
    [
        ("data", "/data"),
        ("", "/"),
        ("../data", "/data"),
        ("/data/", "/data"),
        ("//data", "/data"),
        ("/a//b", "/a/b"),
        ("/a/./b", "/a/b"),
        ("/a/../b", "/b"),
        ("/../..", "/"),
    ],
)
def test_a_path_that_is_not_normal_is_refused_with_one_that_is(refused: str, spelling: str) -> None:
    with pytest.raises(InvalidPreopenError, match=rf"^guest path .* as '{spelling}'$"):
        Preopen("data", refused)
    assert Preopen("data", spelling).guest == spelling


@pytest.mark.parametrize("character", ["\0", "\n", "\r", "\t", "\x1b", "\x7f", "\x9b"])
def test_control_characters_are_refused_and_not_repeated(character: str) -> None:
    with pytest.raises(InvalidPreopenError, match="contains a control character") as caught:
        Preopen("data", f"/da{character}ta")
    assert character not in str(caught.value)
    assert Preopen("data", "/da ta é").guest == "/da ta é"


def test_the_longest_guest_path_counts_bytes() -> None:
    longest = "/" + "é" * 59 + "a"
    assert len(longest.encode()) == MAX_GUEST_PATH_BYTES == 120
    assert Preopen("data", longest).guest == longest
    with pytest.raises(InvalidPreopenError, match="is 121 bytes long; at most 120 are possible"):
        Preopen("data", longest + "a")


def test_a_lone_surrogate_is_refused_on_both_sides() -> None:
    with pytest.raises(InvalidPreopenError, match=r"guest path '/\\udcff' is not valid Unicode"):
        Preopen("data", "/\udcff")
    with pytest.raises(InvalidPreopenError, match=r"host 'a\\udcff' is not valid UTF-8"):
        Preopen("a\udcff", "/data")


@pytest.mark.parametrize(
    ("host", "message"),
    [
        ("", 'host must not be empty; write "." for the current directory'),
        ("a\0b", "contains a NUL character"),
        (b"data", "host must be a str or a path, not bytes"),
        (None, "host must be a str or a path, not NoneType"),
        (3, "host must be a str or a path, not int"),
    ],
)
def test_hosts_that_cannot_be_paths(host: object, message: str) -> None:
    with pytest.raises(InvalidPreopenError, match=message):
        Preopen(host, "/data")  # type: ignore[arg-type]


def test_a_path_of_bytes_is_refused() -> None:
    class BytesPath:
        def __fspath__(self) -> bytes:
            return b"data"

    with pytest.raises(InvalidPreopenError, match="host must be a str or a path, not BytesPath"):
        Preopen(BytesPath(), "/data")  # type: ignore[arg-type]


@pytest.mark.parametrize("guest", [None, b"/data", Path("/data")])
def test_guests_that_are_no_str(guest: object) -> None:
    with pytest.raises(InvalidPreopenError, match="guest path must be a str"):
        Preopen("data", guest)  # type: ignore[arg-type]
    with pytest.raises(InvalidPreopenError, match="guest path must be a str"):
        Scratch(guest)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["writable", "overlay"])
@pytest.mark.parametrize("value", [1, 0, None, "yes"])
def test_writable_and_overlay_are_bools(name: str, value: object) -> None:
    with pytest.raises(InvalidPreopenError, match=f"{name} must be True or False"):
        Preopen("data", "/data", **{name: value})  # type: ignore[arg-type]


def test_an_overlay_is_not_writable_itself() -> None:
    assert Preopen("data", "/data").overlay is False
    assert Preopen("data", "/data", overlay=True).writable is False
    with pytest.raises(InvalidPreopenError, match=r"overlay=True the guest writes to a copy, .*; choose one"):
        Preopen("data", "/data", overlay=True, writable=True)
    assert Preopen("data", "/data", overlay=True) != Preopen("data", "/data")


def test_what_a_scratch_folder_may_hold() -> None:
    assert (Scratch().disk_bytes, Scratch().disk_files) == (256 * 2**20, 10_000)
    assert Scratch("/s", disk_bytes=0, disk_files=2**24) == Scratch("/s", disk_files=2**24, disk_bytes=0)
    assert Scratch(disk_bytes=2**50).disk_bytes == 2**50
    with pytest.raises(TypeError, match="positional argument"):
        Scratch("/s", 5)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("disk_bytes", -1, "from 0 to 1125899906842624, not -1"),
        ("disk_bytes", 2**50 + 1, "from 0 to 1125899906842624, not 1125899906842625"),
        ("disk_bytes", None, "a whole number, not None"),
        ("disk_bytes", 1.5, "a whole number, not 1.5"),
        ("disk_bytes", True, "a whole number, not True"),
        ("disk_files", -1, "from 0 to 16777216, not -1"),
        ("disk_files", 2**24 + 1, "from 0 to 16777216, not 16777217"),
        ("disk_files", "many", "a whole number, not 'many'"),
    ],
)
def test_what_a_scratch_folder_cannot_hold(name: str, value: object, rule: str) -> None:
    with pytest.raises(InvalidPreopenError) as caught:
        Scratch(**{name: value})  # type: ignore[arg-type]
    assert str(caught.value) == f"scratch: {name} must be {rule}"


def test_read_only_is_the_default_and_writable_has_to_be_named() -> None:
    assert Preopen("data", "/data").writable is False
    assert Preopen("data", "/data", writable=True).writable is True
    with pytest.raises(TypeError, match="positional argument"):
        Preopen("data", "/data", True)  # type: ignore[misc]


def test_values_compare_hash_pickle_and_stay_as_they_are() -> None:
    grant = Preopen(Path("data"), "/data")
    assert grant == Preopen("data", "/data")
    assert hash(grant) == hash(Preopen("data", "/data"))
    assert pickle.loads(pickle.dumps(grant)) == grant
    assert grant != Preopen("data", "/data", writable=True)
    assert Scratch() == Scratch("/scratch")
    with pytest.raises(dataclasses.FrozenInstanceError):
        grant.writable = True  # type: ignore[misc]


def test_what_is_shown_is_one_short_line() -> None:
    assert shown("a\n\x1b[31m\u202eb") == r"'a\n\x1b[31m\u202eb'"
    assert len(shown("a" * 10**6)) == 203
