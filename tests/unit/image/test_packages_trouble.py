"""What pip says of a failure, put into one sentence: short logs as pip writes them, one for each kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from wasihost.errors import PackageError
from wasihost.image.packages import resolve
from wasihost.image.packages.bundled import Bundled
from wasihost.image.packages.resolve import Resolver
from wasihost.image.packages.trouble import explain
from wasihost.image.packages.wanted import read_wanted

GOT, WANTED = "7" * 64, "a" * 64


def said(log: str, *wanted: str, usable: bool = False, bundled: tuple[str, ...] = (), offline: bool = True) -> str:
    resolver = Resolver(
        python_version="3.15.0",
        markers={"python_full_version": "3.15.0"},
        bundled={name: Bundled(name=name, version="2.3", metadata=b"", usable=usable) for name in bundled},
        runtime="cpython-3.15",
        instead="cpython-3.15-sci",
        offline=offline,
    )
    error = explain(log, read_wanted(wanted or ("app",)), resolver)
    assert type(error) is PackageError
    assert "\n" not in str(error)
    return str(error)


@pytest.mark.parametrize(
    "line",
    [
        "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
        "OSError: [Errno 122] Disk quota exceeded: '/x/y'",
    ],
)
def test_no_room(line: str) -> None:
    assert said(f"Collecting app\n{line}\n") == (
        "there is no room for the packages: make some, or set WASIHOST_CACHE_DIR to a larger disk"
    )


DIGEST_LOG = f"""Looking in links: /x
ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. If you have updated the package versions, \
please update the hashes. Otherwise, examine the package contents carefully; someone may have tampered with them.
    lib.core==2.0 from https://host/lib-2.0-py3-none-any.whl (from -r /x/wanted.txt (line 1)):
        Expected sha256 {WANTED}
             Got        {GOT}

"""


def test_wrong_digests() -> None:
    assert said(DIGEST_LOG) == f"lib.core has sha256 {GOT}, but {WANTED} was asked for"
    several = DIGEST_LOG.replace(f"{WANTED}\n", f"{WANTED}\n        Expected     or {'b' * 64}\n")
    assert said(several) == f"lib.core has sha256 {GOT}, but {WANTED} was asked for"
    assert said(DIGEST_LOG.splitlines()[1]) == "a package has another sha256 than was asked for"


NO_DIGEST = "{} has no digest, and others have one: give all that are needed, or none"


@pytest.mark.parametrize(
    ("log", "name"),
    [
        (
            "ERROR: In --require-hashes mode, all requirements must have their versions pinned with ==. These do not:\n"
            "    lib>=2 from file:///x/lib-2.0-py3-none-any.whl (from app==1.0->-r /x/wanted.txt (line 1))\n",
            "lib",
        ),
        (
            "ERROR: Hashes are required in --require-hashes mode, but they are missing from some requirements. Here "
            "is a list of those requirements along with the hashes their downloaded archives actually had. Add lines "
            "like these to your requirements files to prevent tampering. (If you did not enable --require-hashes "
            "manually, note that it turns on automatically when any package has a hash.)\n"
            f"    zope.interface==1.0 --hash=sha256:{GOT}\n",
            "zope.interface",
        ),
        ("ERROR: In --require-hashes mode, something else", "a package that another one needs"),
    ],
)
def test_digests_that_are_missing(log: str, name: str) -> None:
    assert said(log) == NO_DIGEST.format(name)


NONE = "ERROR: Could not find a version that satisfies the requirement {} (from versions: none)\n"
LEFT_OUT = (
    "{} needs native code, which cpython-3.15 leaves out: use the runtime cpython-3.15-sci, which has {} 2.3 linked in"
)


@pytest.mark.parametrize("name", ["numpy", "scikit-learn"])
@pytest.mark.parametrize(
    "line",
    [
        NONE.format("{}"),
        NONE.format("{}<3,>=2 (from app)"),
        "ERROR: No matching distribution found for {}\n",
        "The conflict is caused by:\n    app 1.0 depends on {}>=1.2\n    b 1.0 depends on {}<1\n\nTo fix this\n",
    ],
)
def test_what_the_slice_leaves_out(line: str, name: str) -> None:
    expected = LEFT_OUT.format(name, name)
    assert said(line.format(name, name), bundled=(name,)) == expected
    other = name.replace("-", "_").capitalize()
    assert said(line.format(other, other), bundled=(name,)) == expected


def test_what_the_slice_leaves_out_is_named_before_what_else_it_leaves_out() -> None:
    log = NONE.format("numpy")
    assert said(log, "scipy", bundled=("numpy", "scipy")) == LEFT_OUT.format("scipy", "scipy")


@pytest.mark.parametrize(
    "log",
    [
        "Collecting pytest-regex\n" + NONE.format("pytest-regex") + "Looking in links: /home/regex/wheels\n",
        "Looking in links: /home/regex/wheels\n" + NONE.format("pytest_regex"),
        NONE.format("pytest.regex>=1"),
        NONE.format("regex2"),
    ],
)
def test_a_part_of_a_name_is_not_the_name(log: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolve, "run_pip", lambda *_args, **_named: (1, ""))
    assert said(log, bundled=("regex",)).startswith("there is no package ")


def test_a_conflict() -> None:
    log = """ERROR: Cannot install app and old because these package versions have conflicting dependencies.

The conflict is caused by:
    app 1.0 depends on lib>=2
    old 1.0 depends on lib<2

To fix this you could try to:
1. loosen the range of package versions you've specified

ERROR: ResolutionImpossible: for help visit https://pip.pypa.io/
"""
    assert said(log) == "these packages cannot be had together: app 1.0 depends on lib>=2; old 1.0 depends on lib<2"
    short = "ERROR: Cannot install app\nERROR: ResolutionImpossible: for help visit https://pip.pypa.io/\n"
    assert said(short, "app>1", "old") == "these packages cannot be had together for cpython-3.15: app>1, old"


VERSIONS = "ERROR: Could not find a version that satisfies the requirement {} (from versions: {})\n"


@pytest.mark.parametrize(
    ("requirement", "versions", "message"),
    [
        ("lib==9", "1.0", "no version of lib fits lib==9; the newest are 1.0"),
        ("lib==9", "1, 2, 3, 4b1", "no version of lib fits lib==9; the newest are 2, 3, 4b1"),
        ("lib[x]>9 (from app)", "1", "no version of lib fits lib[x]>9 (which app needs); the newest are 1"),
        (
            "lib>9 (from app==1.0->-r /x/wanted.txt (line 1))",
            "1",
            "no version of lib fits lib>9 (which app==1.0 needs); the newest are 1",
        ),
    ],
)
def test_no_version_fits(requirement: str, versions: str, message: str) -> None:
    assert said(VERSIONS.format(requirement, versions)) == message


def test_another_version_of_what_is_linked_in() -> None:
    assert said(NONE.format("NumPy==9 (from app)"), bundled=("numpy",), usable=True) == (
        "NumPy==9 (which app needs) cannot be had: cpython-3.15 has NumPy 2.3 linked in, and another one would need "
        "native code"
    )


def test_all_versions_are_for_another_python() -> None:
    ignored = (
        "ERROR: Ignored the following versions that require a different python version: "
        "0.9 Requires-Python <3; 1.0 Requires-Python <3.12,>=3; 1.1 Requires-Python <3.13; 1.2 Requires-Python <3.14\n"
    )
    assert said(ignored + NONE.format("lib")) == (
        "no version of lib fits lib and Python 3.15.0 of cpython-3.15: "
        "1.0 needs <3.12,>=3; 1.1 needs <3.13; 1.2 needs <3.14"
    )
    assert said(ignored + VERSIONS.format("lib>1", "1")) == "no version of lib fits lib>1; the newest are 1"


def test_a_wheel_is_for_another_python() -> None:
    assert said("ERROR: Package 'lib' requires a different Python: 3.15.0 not in '<3.12,>=3'\n") == (
        "lib needs Python <3.12,>=3, and cpython-3.15 has Python 3.15.0"
    )


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        (
            {"install": 0},
            "lib needs native code: it has wheels for particular machines, and none that is pure Python and for "
            "Python 3.15.0; only those can be added",
        ),
        (
            {"install": 1, "index": 0},
            "lib has no wheel, only sources that would have to be built: build one and give its path",
        ),
        ({"install": 1, "index": 1}, "there is no package lib in the configured Python index"),
    ],
)
def test_the_index_is_asked_what_there_is_instead(
    answers: Mapping[str, int], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def run_pip(arguments: list[str], **_named: Any) -> tuple[int, str]:
        asked.append([*arguments])
        return answers[arguments[0]], ""

    monkeypatch.setattr(resolve, "run_pip", run_pip)
    assert said(NONE.format("lib"), offline=False) == message
    assert "--only-binary=:all:" in asked[0]
    assert "--dry-run" in asked[0]
    assert not any("--no-index" in arguments for arguments in asked)


def test_without_a_network_the_index_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def run_pip(arguments: list[str], **_named: Any) -> tuple[int, str]:
        asked.append([*arguments])
        return 1, ""

    monkeypatch.setattr(resolve, "run_pip", run_pip)
    assert said(NONE.format("lib")) == "there is no package lib in the configured Python index"
    assert [arguments[-1] for arguments in asked] == ["--no-index"]


@pytest.mark.parametrize(
    "line",
    [
        "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError('x')': /simple/app/",
        "WARNING: Could not fetch URL https://h/: There was a problem: HTTPSConnectionPool(host='h', port=443): Max "
        "retries exceeded with url: /simple/app/ (Caused by SSLError(x))",
        "WARNING: x 'ProxyError('Cannot connect to proxy.')'",
        "WARNING: x 'ReadTimeoutError(\"x\")'",
    ],
)
def test_an_index_that_does_not_answer(line: str) -> None:
    message = "the configured Python index cannot be reached: check the network and the proxy settings"
    assert said(line) == message
    assert said(f"{line}\n{NONE.format('app')}ERROR: No matching distribution found for app\n") == message


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("", "it said nothing"),
        ("\n \n", "it said nothing"),
        ("Collecting app\nsomething else\n", "something else"),
        ("ERROR: first\nERROR: the cause\nmore\n", "the cause"),
        ("ERROR: \x1b[31mred\x07\x9b\n", "?[31mred??"),
        ("ERROR: " + "x" * 1000, "x" * 300),
    ],
)
def test_everything_else_is_the_last_word_of_pip(log: str, words: str) -> None:
    assert said(log) == f"pip could not find the packages: {words}"


@pytest.mark.parametrize(
    "log",
    [
        "The conflict is caused by:\n    a \x1b]0;x\x07 depends on b\n",
        VERSIONS.format("lib>1", "1.0\x1b[2J"),
        "ERROR: Package 'a\x1b[2J' requires a different Python: 3 not in '<3\x07'",
        "ERROR: Ignored the following versions that require a different python version: 1\x1b[2J Requires-Python <3\n"
        + NONE.format("lib\x1b[2J"),
    ],
)
def test_what_an_index_says_cannot_write_to_a_terminal(log: str) -> None:
    assert said(log).isprintable()
