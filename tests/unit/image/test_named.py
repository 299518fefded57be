"""Images under names: which folder a name means, whether its files are what was built, and when they go."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from image_lab import change

from wasihost.errors import UnknownImageError, UntrustedCacheError, UnusableImageError
from wasihost.image.named import (
    KEPT_SECONDS,
    PACKAGES,
    PACKAGES_GUEST,
    NamedImage,
    describe_files,
    files_of,
    find_named,
    list_named,
    publish_named,
    remove_named,
    stamp_of,
    sweep_named,
)
from wasihost.runtime.cache import Cache, open_cache

RUNTIME = "cpython-3.15"
MEMORY = b"memory" * 1000


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    monkeypatch.setenv("WASIHOST_CACHE_DIR", str(tmp_path / "cache"))
    return open_cache()


def put(
    cache: Cache, name: str = "report", *, memory: bytes = MEMORY, packages: dict[str, bytes] | None = None, **more: Any
) -> NamedImage:
    with cache.temporary_folder() as work:
        staged = work / "image"
        staged.mkdir()
        (staged / "image.bin").write_bytes(memory)
        for path, data in (packages or {}).items():
            (staged / PACKAGES / path).parent.mkdir(parents=True, exist_ok=True)
            (staged / PACKAGES / path).write_bytes(data)
        whole = describe_files(cache, staged, {"parent": "base-1", **more})
        assert json.loads((staged / "image.json").read_bytes()) == whole
        return publish_named(cache, RUNTIME, name, staged, whole)


def pointer(cache: Cache, name: str = "report") -> Path:
    return cache.folder("named") / f"{RUNTIME}@{name}.json"


def folders(cache: Cache) -> list[str]:
    return sorted(path.name for path in cache.folder("named").iterdir() if path.is_dir())


CHANGED = (
    "the files of the image report of cpython-3.15 were changed after it was built: build or import it again, or "
    "remove it with `wasirun image remove report --runtime cpython-3.15`"
)


def test_what_was_published_is_found(cache: Cache) -> None:
    assert find_named(cache, RUNTIME, "report") is None
    image = put(cache, packages={"demo/__init__.py": b"x"}, python="3.15.0")
    assert find_named(cache, RUNTIME, "report") == image
    assert image.folder.parent == cache.folder("named")
    assert image.folder.name.startswith(f"{RUNTIME}@report-")
    about = image.description()
    assert about["python"] == "3.15.0"
    assert about["file"]["size_bytes"] == len(MEMORY)
    assert about["stamp"] == stamp_of(image.folder / PACKAGES) != ""
    assert [(one.host, one.guest) for one in image.libraries()] == [(str(image.folder / PACKAGES), PACKAGES_GUEST)]
    assert [name for name, _ in files_of(image.folder)] == ["image.bin", "image.json", "packages/demo/__init__.py"]
    assert image.size_bytes() == sum(path.stat().st_blocks * 512 for _, path in files_of(image.folder))
    assert {path.stat().st_mode & 0o777 for path in image.folder.iterdir() if path.is_file()} == {0o400}
    assert image.folder.stat().st_mode & 0o777 == 0o700


def test_one_without_packages_has_no_library(cache: Cache) -> None:
    image = put(cache)
    assert image.libraries() == ()
    assert image.description()["stamp"] == ""


def test_an_image_belongs_to_its_base(cache: Cache) -> None:
    image = put(cache)
    assert image.check("base-1") == image.description()
    with pytest.raises(UnusableImageError) as caught:
        image.check("base-2")
    assert str(caught.value) == (
        "the image report was built for another version of wasihost or of cpython-3.15: build or import it again"
    )


@pytest.mark.parametrize(
    ("runtime", "name"),
    [
        (RUNTIME, "other"),
        ("cpython-3.12", "report"),
        (RUNTIME, "base"),
        (RUNTIME, "../report"),
        (RUNTIME, ""),
        (RUNTIME, "re/port"),
        (RUNTIME, "rep*"),
        ("../x", "report"),
        (None, "report"),
        (RUNTIME, None),
        (RUNTIME, 1),
    ],
)
def test_other_names_are_not_found(cache: Cache, runtime: object, name: object) -> None:
    put(cache)
    assert find_named(cache, runtime, name) is None


# -- the pointer ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"{}",
        b'{"folder": null}',
        b'{"folder": 1}',
        b'{"folder": ["x"]}',
        b'{"folder": ""}',
        b'{"folder": "../x"}',
        b'{"folder": "/etc"}',
        b'{"folder": "cpython-3.15@report-/../../x"}',
        b'{"folder": "cpython-3.15@report-x/y"}',
        b'{"folder": "cpython-3.15@report-.."}',
        b'{"folder": "cpython-3.15@report-0123456789abcde\\u0000"}',
        b'{"folder": "cpython-3.15@report-0123456789abcdef\\n"}',
        b'{"folder": "cpython-3.15@report-' + b"0" * 300 + b'"}',
        b'{"folder": "cpython-3.15@other-0123456789abcdef"}',
        b'{"folder": "cpython-3.12@report-0123456789abcdef"}',
        b"\xff\xfe",
    ],
)
def test_a_forged_pointer_leads_nowhere(cache: Cache, said: bytes) -> None:
    put(cache)
    path = pointer(cache)
    path.chmod(0o600)
    path.write_bytes(said)
    assert find_named(cache, RUNTIME, "report") is None
    assert list_named(cache) == []


def test_a_pointer_to_what_is_not_there_is_a_damaged_image(cache: Cache) -> None:
    pointer(cache).write_text(f'{{"folder": "{RUNTIME}@report-{"0" * 16}"}}')
    image = find_named(cache, RUNTIME, "report")
    assert image is not None
    with pytest.raises(UnusableImageError) as caught:
        image.description()
    assert str(caught.value) == CHANGED


def test_a_pointer_that_others_can_write_is_not_believed(cache: Cache) -> None:
    put(cache)
    pointer(cache).chmod(0o622)
    with pytest.raises(UntrustedCacheError) as caught:
        find_named(cache, RUNTIME, "report")
    path = pointer(cache)
    assert str(caught.value) == f"others can write to {path}: remove it, or run 'chmod go-w {path}'"


def test_a_pointer_that_is_a_link_is_not_believed(cache: Cache, tmp_path: Path) -> None:
    put(cache)
    pointer(cache).rename(tmp_path / "elsewhere")
    pointer(cache).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UntrustedCacheError) as caught:
        find_named(cache, RUNTIME, "report")
    assert str(caught.value) == f"{pointer(cache)} is not a regular file: remove it"


def test_all_are_listed_by_name(cache: Cache) -> None:
    for name in ("b", "a", "c"):
        put(cache, name)
    (cache.folder("named") / "stray@.json").write_text("{}")
    (cache.folder("named") / "stray.json").write_text("{}")
    assert [(image.runtime, image.name) for image in list_named(cache)] == [(RUNTIME, name) for name in "abc"]


# -- what was changed -------------------------------------------------------------------------------------------------


def remove(image: NamedImage) -> None:
    (image.folder / "image.bin").unlink()


def truncate(image: NamedImage) -> None:
    (image.folder / "image.bin").chmod(0o600)
    os.truncate(image.folder / "image.bin", len(MEMORY) - 1)


def edit(image: NamedImage) -> None:
    path = image.folder / "image.bin"
    path.chmod(0o600)
    path.write_bytes(MEMORY.replace(b"memory", b"memorx", 1))


def edit_description(image: NamedImage) -> None:
    (image.folder / "image.json").chmod(0o600)
    (image.folder / "image.json").write_text("{}")


def edit_package(image: NamedImage) -> None:
    path = image.folder / PACKAGES / "demo.py"
    path.write_bytes(b"y")


def add_package(image: NamedImage) -> None:
    (image.folder / PACKAGES / "more.py").write_bytes(b"")


def remove_package(image: NamedImage) -> None:
    (image.folder / PACKAGES / "demo.py").unlink()


def link_package(image: NamedImage) -> None:
    (image.folder / PACKAGES / "demo.py").unlink()
    (image.folder / PACKAGES / "demo.py").symlink_to("/etc/passwd")


def remove_packages(image: NamedImage) -> None:
    (image.folder / PACKAGES).rename(image.folder / "other")


@pytest.mark.parametrize(
    "damage",
    [
        remove,
        truncate,
        edit,
        edit_description,
        edit_package,
        add_package,
        remove_package,
        link_package,
        remove_packages,
    ],
)
def test_a_changed_file_is_seen(cache: Cache, damage: Any) -> None:
    other = put(cache, "other", packages={"demo.py": b"x"})
    image = put(cache, packages={"demo.py": b"x"})
    damage(image)
    for use in (image.description, lambda: image.check("base-1")):
        with pytest.raises(UnusableImageError) as caught:
            use()
        assert str(caught.value) == CHANGED
    assert other.check("base-1")["parent"] == "base-1"


def test_a_memory_that_was_touched_but_not_changed_is_sound(cache: Cache) -> None:
    image = put(cache)
    os.utime(image.folder / "image.bin", ns=(1, 1))
    assert image.description()["parent"] == "base-1"


def test_a_memory_that_others_can_write_is_not_believed(cache: Cache) -> None:
    image = put(cache)
    (image.folder / "image.bin").chmod(0o622)
    with pytest.raises(UntrustedCacheError, match=r"^others can write to "):
        image.description()


def test_the_stamp_is_of_names_kinds_sizes_and_times(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "c").write_bytes(b"y")
    stamp = stamp_of(tmp_path)
    assert stamp_of(tmp_path) == stamp
    change(tmp_path / "a", b"x", b"z")  # its size and time are kept, and its mode is not
    assert stamp_of(tmp_path) != stamp
    stamp = stamp_of(tmp_path)
    (tmp_path / "b" / "c").rename(tmp_path / "b" / "d")
    assert stamp_of(tmp_path) != stamp


# -- replacing and removing -------------------------------------------------------------------------------------------


def age(folder: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(folder, (then, then))


def test_a_replaced_image_stays_for_a_day(cache: Cache) -> None:
    old = put(cache, memory=MEMORY)
    new = put(cache, memory=b"other")
    assert old.folder != new.folder
    assert find_named(cache, RUNTIME, "report") == new
    assert old.description()["file"]["size_bytes"] == len(MEMORY)  # who runs on it can go on
    age(old.folder, KEPT_SECONDS - 100)
    age(new.folder, KEPT_SECONDS + 100)
    sweep_named(cache)
    assert folders(cache) == sorted([old.folder.name, new.folder.name])
    age(old.folder, KEPT_SECONDS + 100)
    third = put(cache, "third")  # publishing sweeps
    assert folders(cache) == sorted([new.folder.name, third.folder.name])
    assert new.description()["file"]["size_bytes"] == 5


def test_the_day_begins_when_an_image_is_replaced(cache: Cache) -> None:
    old = put(cache)
    age(old.folder, KEPT_SECONDS * 5)
    put(cache, memory=b"other")
    assert old.description()["file"]["size_bytes"] == len(MEMORY)


def test_the_same_again_takes_its_own_place(cache: Cache) -> None:
    first = put(cache, packages={"demo.py": b"x"})
    again = put(cache, packages={"demo.py": b"x"})
    assert find_named(cache, RUNTIME, "report") == again
    assert again.description()["stamp"]
    assert first.description()["stamp"]


def test_a_removed_image_is_gone(cache: Cache) -> None:
    image, other = put(cache, packages={"demo.py": b"x"}), put(cache, "other")
    size = sum(path.stat().st_size for _, path in files_of(image.folder))
    assert remove_named(cache, image) == size
    assert find_named(cache, RUNTIME, "report") is None
    assert folders(cache) == [other.folder.name]
    assert not pointer(cache).exists()
    with pytest.raises(UnknownImageError, match=r"the image report of .* was removed or replaced meanwhile"):
        remove_named(cache, image)


def test_removing_what_was_replaced_meanwhile_leaves_the_new_one(cache: Cache) -> None:
    old = put(cache, packages={"demo.py": b"x"})
    new = put(cache, packages={"demo.py": b"y"})
    assert new.folder != old.folder
    with pytest.raises(UnknownImageError, match="was removed or replaced meanwhile"):
        remove_named(cache, old)
    assert find_named(cache, RUNTIME, "report") == new
    assert new.folder.is_dir()
    remove_named(cache, new)
    assert find_named(cache, RUNTIME, "report") is None


def test_a_published_image_leaves_nothing_behind(cache: Cache) -> None:
    put(cache)
    assert list(cache.folder("tmp").iterdir()) == []
