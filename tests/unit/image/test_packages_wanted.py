"""What is asked for is checked before pip sees any of it: requirements, digests, wheels, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from image_lab import make_wheel, sha256

from wasihost.errors import InvalidImageError, PackageError, WasiHostError
from wasihost.image.packages.wanted import MAX_PACKAGES, Wanted, read_wanted

A, B = "a" * 64, "b" * 64


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("jinja2==3.1.6", Wanted(name="jinja2", line="jinja2==3.1.6", said="jinja2==3.1.6")),
        ("  Zope.Interface  ", Wanted(name="zope-interface", line="Zope.Interface", said="Zope.Interface")),
        ("rich >=13, <15", Wanted(name="rich", line="rich<15,>=13", said="rich >=13, <15")),
        (
            "a[b,c]>1; python_version > '3.11'",
            Wanted(name="a", line='a[b,c]>1; python_version > "3.11"', said="a[b,c]>1; python_version > '3.11'"),
        ),
        (
            f"a==1 --hash=sha256:{A}  --hash=sha256:{B}",
            Wanted(name="a", line=f"a==1 --hash=sha256:{A} --hash=sha256:{B}", said="a==1", pinned=True),
        ),
        (f"a==1\n  --hash=sha256:{A}\n", Wanted(name="a", line=f"a==1 --hash=sha256:{A}", said="a==1", pinned=True)),
    ],
)
def test_a_requirement(said: str, wanted: Wanted) -> None:
    assert read_wanted([said]) == (wanted,)


@pytest.mark.parametrize(
    "said",
    [
        "",
        " ",
        "--index-url=http://example.org/",
        "--index-url http://example.org/",
        "-i http://example.org/",
        "-e .",
        "-e git+https://example.org/x",
        "-r file",
        "--requirement=file",
        "-c file",
        "--no-binary=:all:",
        "a --index-url=http://example.org/",
        "a -r file",
        "a==1 --config-settings=x=y",
        "a==1 --global-option=x",
        "a==1\nb==2",
        "a==1\n--index-url=http://example.org/",
        "a==1\r--index-url=http://example.org/",
        "a==1\\\n--index-url=http://example.org/",
        f"a==1 --hash=sha256:{A} --index-url=http://example.org/",
        f"a==1 --hash=sha256:{A[:-1]}",
        f"a==1 --hash=sha256:{A}0",
        f"a==1 --hash=sha256:{A.upper()}",
        "a==1 --hash=md5:00",
        f"--hash=sha256:{A}",
        ".",
        "..",
        "./folder",
        "/etc/passwd",
        "folder/a-1.tar.gz",
        "a==1 # a comment",
        "${HOME}",
        "a==${HOME}",
        "a; os_name == '${HOME}'",
        "a;\nos_name == 'x'",
        "a==1; extra",
        "a\0",
        "é==1",
        "a b",
    ],
)
def test_what_is_no_requirement(said: str) -> None:
    with pytest.raises(WasiHostError) as caught:
        read_wanted([said])
    assert type(caught.value) is InvalidImageError
    message = str(caught.value)
    assert message.startswith(f"{said!r} is no requirement ")
    assert "\n" not in message


@pytest.mark.parametrize(
    "said",
    [
        "a @ https://example.org/a-1-py3-none-any.whl",
        "a @ file:///a-1-py3-none-any.whl",
        "a@git+https://example.org/a",
        "a @ https://example.org/a-1.tar.gz ; python_version > '3'",
    ],
)
def test_an_address_is_not_followed(said: str) -> None:
    with pytest.raises(InvalidImageError) as caught:
        read_wanted([said])
    assert str(caught.value) == f"{said!r} names an address: download the wheel, and give its path"


def test_an_address_of_a_wheel_is_no_path() -> None:
    with pytest.raises(InvalidImageError, match=r"^'https://example\.org/a-1-py3-none-any\.whl' is no requirement "):
        read_wanted(["https://example.org/a-1-py3-none-any.whl"])


@pytest.mark.parametrize("packages", ["jinja2", b"jinja2", Path("a.whl")])
def test_one_text_is_no_list(packages: object) -> None:
    with pytest.raises(InvalidImageError) as caught:
        read_wanted(packages)  # type: ignore[arg-type]
    assert str(caught.value) == "packages is a list of requirements and wheels, not one text"


@pytest.mark.parametrize("package", [None, 1, b"jinja2", ["jinja2"]])
def test_something_else_is_no_package(package: object) -> None:
    with pytest.raises(InvalidImageError) as caught:
        read_wanted([package])  # type: ignore[list-item]
    assert str(caught.value) == f"a package is a requirement or the path of a wheel, not {package!r}"


def test_there_is_a_most() -> None:
    assert len(read_wanted(["a"] * MAX_PACKAGES)) == MAX_PACKAGES
    with pytest.raises(InvalidImageError) as caught:
        read_wanted(["a"] * (MAX_PACKAGES + 1))
    assert str(caught.value) == "501 packages were asked for; 500 is the most"


def test_digests_are_given_for_all_or_for_none(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    assert [one.pinned for one in read_wanted([f"a==1 --hash=sha256:{A}", wheel])] == [True, False]
    with pytest.raises(InvalidImageError) as caught:
        read_wanted([f"a==1 --hash=sha256:{A}", wheel, "b==2"])
    assert str(caught.value) == "b==2: has no --hash, and others have one: give all of them, or none"


# -- wheels -----------------------------------------------------------------------------------------------------------


def test_a_wheel_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = make_wheel(tmp_path / "a folder", "Demo.Thing", "1.0", files={})
    digest = sha256(wheel.read_bytes())
    expected = Wanted(
        name="demo-thing",
        line=f"{wheel.as_uri()} --hash=sha256:{digest}",
        said="demo-thing==1.0",
        wheel=wheel,
    )
    assert "a%20folder" in expected.line
    assert read_wanted([wheel]) == read_wanted([str(wheel)]) == (expected,)
    monkeypatch.chdir(tmp_path)
    (relative,) = read_wanted([f"a folder/{wheel.name}"])
    assert relative.line == expected.line


def test_a_wheel_whose_path_holds_a_newline_is_one_line(tmp_path: Path) -> None:
    (wanted,) = read_wanted([make_wheel(tmp_path / "a\n--index-url=x #")])
    assert "\n" not in wanted.line
    assert " #" not in wanted.line


@pytest.mark.parametrize("tags", ["cp315-cp315-wasi_0_0_0_wasm32", "cp311-cp311-manylinux_2_17_x86_64", "py3-abi3-any"])
def test_a_wheel_for_a_machine_is_refused(tags: str, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, tags=tags)
    with pytest.raises(WasiHostError) as caught:
        read_wanted([wheel])
    assert type(caught.value) is PackageError
    platform = tags.rpartition("-")[2]
    assert str(caught.value) == (
        f"{wheel.name} needs native code ({platform}), which cannot run inside: only pure Python wheels "
        "(…-none-any.whl) can be added"
    )


@pytest.mark.parametrize("tags", ["py3-none-any", "py2.py3-none-any", "cp315-none-any", "py3-none-any.win32"])
def test_a_wheel_that_is_pure_too_is_taken(tags: str, tmp_path: Path) -> None:
    assert read_wanted([make_wheel(tmp_path, tags=tags)])[0].name == "demo"


def test_a_wheel_that_is_not_there(tmp_path: Path) -> None:
    folder = tmp_path / "a-1-py3-none-any.whl"
    folder.mkdir()
    for path in (tmp_path / "b-1-py3-none-any.whl", folder):
        with pytest.raises(InvalidImageError) as caught:
            read_wanted([path])
        assert str(caught.value) == f"there is no wheel {path}"


@pytest.mark.parametrize("name", ["demo.whl", "demo-1.whl", "demo-x-py3-none-any.whl", "a b-1-py3-none-any.whl"])
def test_a_wheel_with_another_name(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(InvalidImageError) as caught:
        read_wanted([tmp_path / name])
    assert str(caught.value) == f"{name} is not called as a wheel is: name-version-tags.whl"
