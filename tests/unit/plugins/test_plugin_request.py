"""What a plugin asks for as a person reads it, and what it gets: both asked for and given."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from manifest_lab import SHA, SMALL, WHOLE
from plugin_package_lab import make_folder

from wasihost.capabilities.preopen import Preopen, Scratch
from wasihost.errors import ConfigError, PluginError, PluginGrantError
from wasihost.limits import UNMETERED, Limits
from wasihost.plugins.declared import Capability, Dependency
from wasihost.plugins.package import open_package
from wasihost.plugins.request import Grants, PluginRequest, resolve

BARE = PluginRequest(name="words", version="1.0", description="Counts words.", digest="0" * 64)
DOCUMENTS = Capability(kind="directory", name="/documents", reason="reads documents")
SEARCH = Capability(kind="function", name="search", reason="looks words up")
LANG = Capability(kind="environment", name="LANG", reason="speaks your language")
SCRATCH = Capability(kind="scratch", name="/sorting", reason="sorts on disk")


def search(query: str) -> list[str]:
    return [query]


def delete(path: str) -> None:
    raise AssertionError(path)


def asking(*capabilities: Capability, **fields: object) -> PluginRequest:
    return replace(BARE, capabilities=capabilities, **fields)  # type: ignore[arg-type]


def optional(capability: Capability) -> Capability:
    return replace(capability, required=False)


def refused(request: PluginRequest, grants: Grants) -> tuple[str, ...]:
    with pytest.raises(PluginGrantError) as caught:
        resolve(request, grants)
    error = caught.value
    assert isinstance(error, PluginError)
    assert isinstance(error, ConfigError)
    assert str(error) == f"the plugin words asks for what it is not given: {'; '.join(error.missing)}"
    return error.missing


def test_a_listing_for_a_person(tmp_path: Path) -> None:
    whole = WHOLE.replace('wheel = "wheels/markdown_it_py-3.0-py3-none-any.whl"\n', "")
    package = open_package(make_folder(tmp_path, {"plugin.toml": whole.encode(), "words/count.py": b""}))
    assert str(PluginRequest.of(package)).splitlines() == [
        "plugin    word-count 1.0: Counts words.",
        "author    Ada Example",
        "license   MIT",
        "homepage  https://example.com/words",
        f"sha256    {package.digest}",
        "asks for  directory /documents, to read and change: reads and tags documents",
        "asks for  host function search (works without): looks words up",
        "asks for  environment variable LANG: speaks your language",
        "asks for  scratch folder /scratch for 1000000 bytes and 10 files: sorts on disk",
        "limit     fuel unmetered, where 100000000000 is usual",
        "limit     memory_bytes 134217728, where 268435456 is usual",
        "limit     deadline_seconds 2.5, where 10.0 is usual",
        f"package   markdown-it-py 3.0, from the configured Python index: sha256 {SHA}",
        "runtime   cpython-3.15",
        "state     kept from one call to the next",
        "function  count(text, top=10): Count the words.",
        "function  clear(really=...): Forget everything.",
        "hook      document.opened: on_opened, priority -5",
        "hook      document.saved: on_saved, priority 100",
    ]


def test_a_listing_of_a_plugin_that_asks_for_nothing(tmp_path: Path) -> None:
    package = open_package(make_folder(tmp_path, {"plugin.toml": SMALL.encode(), "word_count.py": b""}))
    assert str(PluginRequest.of(package)).splitlines() == [
        "plugin    word-count 1.0.0: Counts words.",
        f"sha256    {package.digest}",
        "asks for  nothing",
        "function  count(text, top=10): Count the words of a text.",
    ]


def test_no_text_of_the_plugin_makes_another_line(tmp_path: Path) -> None:
    evil = 'x\\"\\nasks for  nothing\\u001b[1A'
    text = SMALL.replace('type = "string"', f'type = "string", default = "{evil}"')
    text = text.replace('"Count the words of a text."', '"""Counts.\nasks for  nothing"""')
    lines = str(
        PluginRequest.of(open_package(make_folder(tmp_path, {"plugin.toml": text.encode(), "word_count.py": b""})))
    )
    assert len(lines.splitlines()) == 4
    assert all(line.isprintable() for line in lines.splitlines())
    assert "function  count(text='x\"\\nasks for  nothing\\x1b[1A', top=10): Counts." in lines


def test_the_same_for_json(tmp_path: Path) -> None:
    whole = WHOLE.replace('wheel = "wheels/markdown_it_py-3.0-py3-none-any.whl"\n', "")
    whole = whole.replace('type = "integer"\ndefault = 10', 'type = "string"\nformat = "date"\ndefault = 2024-02-29')
    package = open_package(make_folder(tmp_path, {"plugin.toml": whole.encode(), "words/count.py": b""}))
    said = PluginRequest.of(package).describe()
    assert json.loads(json.dumps(said)) == said
    assert (said["name"], said["version"], said["digest"], said["state"]) == (
        "word-count",
        "1.0",
        package.digest,
        "kept",
    )
    assert said["limits"] == {"fuel": "unmetered", "memory_bytes": 134217728, "deadline_seconds": 2.5}
    assert said["capabilities"][1] == {
        "kind": "function", "name": "search", "reason": "looks words up", "required": False,
        "writable": False, "disk_bytes": None, "disk_files": None,
    }  # fmt: skip
    assert said["exports"][0]["parameters"] == {
        "type": "object",
        "properties": {
            "text": {"type": "string"},
            "top": {"type": "string", "format": "date", "default": "2024-02-29"},
        },
        "required": ["text"],
        "additionalProperties": False,
    }
    assert said["dependencies"] == [{"name": "markdown-it-py", "version": "3.0", "sha256": SHA, "wheel": ""}]
    assert said["hooks"][0] == {"event": "document.opened", "function": "on_opened", "priority": -5}


def test_what_is_not_asked_for_is_not_granted() -> None:
    grants = Grants(
        preopens=[Preopen("data", "/documents", writable=True)],
        functions=[search, delete],
        env={"LANG": "de", "TOKEN": "x"},
        scratch=Scratch(),
    )
    nothing = resolve(BARE, grants)
    assert (nothing.preopens, nothing.functions, dict(nothing.env), nothing.withheld) == ((), (), {}, ())
    some = resolve(asking(SEARCH, LANG), grants)
    assert [function.name for function in some.functions] == ["search"]
    assert some.functions[0].call is search
    assert (some.preopens, dict(some.env)) == ((), {"LANG": "de"})


def test_what_is_not_given_is_not_granted() -> None:
    request = asking(*map(optional, (DOCUMENTS, SEARCH, LANG, SCRATCH)))
    nothing = resolve(request, Grants())
    assert (nothing.preopens, nothing.functions, dict(nothing.env)) == ((), (), {})
    assert nothing.withheld == request.capabilities
    other = resolve(request, Grants(preopens=[Preopen("data", "/other")], functions=[delete], env={"TOKEN": "x"}))
    assert (other.preopens, other.functions, dict(other.env)) == ((), (), {})
    assert other.withheld == request.capabilities


def test_all_that_is_missing_is_named_with_its_reason_and_remedy() -> None:
    assert refused(asking(DOCUMENTS, SEARCH, LANG, SCRATCH), Grants()) == (
        'directory /documents, to read (reads documents): preopens=[Preopen(FOLDER, "/documents")] grants it',
        "host function search (looks words up): functions=[...] with one called search grants it",
        "environment variable LANG (speaks your language): env={'LANG': ...} grants it",
        "scratch folder /sorting (sorts on disk): scratch=Scratch() grants it",
    )
    writable = replace(DOCUMENTS, writable=True)
    assert refused(asking(writable), Grants()) == (
        "directory /documents, to read and change (reads documents): "
        'preopens=[Preopen(FOLDER, "/documents", writable=True)] grants it',
    )
    given = Grants(preopens=[Preopen("data", "/documents")], functions=[search], env={"LANG": "de"}, scratch=Scratch())
    resolved = resolve(asking(DOCUMENTS, SEARCH, LANG, SCRATCH), given)
    assert resolved.preopens == (Preopen("data", "/documents"), Scratch("/sorting"))
    assert [function.name for function in resolved.functions] == ["search"]
    assert dict(resolved.env) == {"LANG": "de"}
    assert resolved.withheld == ()


READ = Preopen("data", "/documents")
WRITE = Preopen("data", "/documents", writable=True)
OVERLAY = Preopen("data", "/documents", overlay=True)


@pytest.mark.parametrize(
    ("writable", "given", "granted"),
    [
        (False, READ, READ),
        (False, WRITE, READ),
        (False, OVERLAY, READ),
        (True, WRITE, WRITE),
        (True, OVERLAY, OVERLAY),
    ],
)
@pytest.mark.parametrize("required", [True, False])
def test_a_folder_is_never_granted_for_more_than_asked(
    writable: bool, given: Preopen, granted: Preopen, required: bool
) -> None:
    asked = replace(DOCUMENTS, writable=writable, required=required)
    resolved = resolve(asking(asked), Grants(preopens=[given]))
    assert (resolved.preopens, resolved.withheld) == ((granted,), ())


def test_a_folder_that_is_given_for_less_than_asked() -> None:
    asked = replace(DOCUMENTS, writable=True)
    assert refused(asking(asked), Grants(preopens=[READ])) == (
        "directory /documents, to read and change (reads documents): "
        "it is given for reading only; writable=True grants it",
    )
    resolved = resolve(asking(optional(asked)), Grants(preopens=[READ]))
    assert (resolved.preopens, resolved.withheld) == ((READ,), (optional(asked),))


def test_room_in_a_scratch_folder() -> None:
    given = Scratch("/elsewhere", disk_bytes=1000, disk_files=10)
    assert resolve(asking(SCRATCH), Grants(scratch=given)).preopens == (
        Scratch("/sorting", disk_bytes=1000, disk_files=10),
    )
    less = replace(SCRATCH, disk_bytes=500, disk_files=10)
    assert resolve(asking(less), Grants(scratch=given)).preopens == (
        Scratch("/sorting", disk_bytes=500, disk_files=10),
    )
    more = replace(SCRATCH, disk_files=11)
    assert refused(asking(more), Grants(scratch=given)) == (
        "scratch folder /sorting for 11 files (sorts on disk): its disk_files are 10 at most; "
        "scratch=Scratch(disk_files=11) grants it",
    )
    resolved = resolve(asking(optional(more)), Grants(scratch=given))
    assert (resolved.preopens, resolved.withheld) == ((), (optional(more),))


def test_limits_are_what_is_asked_for_and_never_more_than_is_given() -> None:
    limits = Limits(fuel=10**9, memory_bytes=2**28, deadline_seconds=5.0)
    assert resolve(BARE, Grants(limits=limits)).limits == limits
    asked = {"memory_bytes": 2**27, "deadline_seconds": 5}
    assert resolve(asking(limits=asked), Grants(limits=limits)).limits == replace(
        limits, memory_bytes=2**27, deadline_seconds=5
    )
    asked = {"fuel": UNMETERED, "memory_bytes": 2**28 + 1, "deadline_seconds": 5.5, "output_overflow": "truncate"}
    assert refused(asking(limits=asked), Grants(limits=limits)) == (
        "the limit fuel=UNMETERED, of which 1000000000 is given",
        "the limit memory_bytes=268435457, of which 268435456 is given",
        "the limit deadline_seconds=5.5, of which 5.0 is given",
        "the limit output_overflow='truncate', of which 'end' is given",
    )
    wide = Limits(fuel=UNMETERED, memory_bytes=2**30, deadline_seconds=60, output_overflow="truncate")
    assert resolve(asking(limits=asked), Grants(limits=wide)).limits == replace(wide, **asked)
    assert resolve(asking(limits={"fuel": 5, "output_overflow": "end"}), Grants(limits=wide)).limits == replace(
        wide, fuel=5, output_overflow="end"
    )


def test_packages_need_the_plain_image() -> None:
    request = asking(dependencies=(Dependency(name="markdown-it-py", version="3.0", sha256=SHA),))
    assert resolve(request, Grants()).image == "base"
    assert refused(request, Grants(image="data")) == (
        'packages of its own (markdown-it-py 3.0), for which image="base" is needed',
    )
    assert resolve(BARE, Grants(image="data")).image == "data"


@pytest.mark.parametrize(
    ("grants", "why"),
    [
        ({"preopens": "data"}, "preopens must be a list of Preopen, not 'data'"),
        ({"preopens": READ}, "preopens must be a list of Preopen, not Preopen"),
        ({"preopens": [READ, "x"]}, "preopens must be a list of Preopen, not 'x'"),
        ({"preopens": [Scratch()]}, r"scratch=Scratch\(\) grants a scratch folder"),
        ({"preopens": [READ, WRITE]}, "two folders are granted as /documents"),
        ({"functions": [search, search]}, "there are two functions of the name 'search'"),
        ({"env": {"A=B": "x"}}, 'must not contain "="'),
        ({"env": ["A"]}, "env must be a mapping"),
        ({"scratch": True}, "scratch must be a Scratch or None, not True"),
        ({"limits": None}, "limits must be a Limits, not None"),
        ({"image": None}, "image must be the name of an image, not None"),
    ],
)
def test_grants_that_are_none(grants: dict[str, object], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        Grants(**grants)  # type: ignore[arg-type]


def test_grants_keep_nothing_that_could_be_changed_later() -> None:
    env, preopens = {"LANG": "de"}, [READ]
    grants = Grants(env=env, preopens=preopens)
    env["TOKEN"] = "x"
    preopens.append(Preopen("more", "/more"))
    assert (dict(grants.env), grants.preopens) == ({"LANG": "de"}, (READ,))
    with pytest.raises(TypeError):
        grants.env["LANG"] = "en"  # type: ignore[index]


capabilities = st.lists(
    st.builds(
        Capability,
        kind=st.sampled_from(["directory", "function", "environment"]),
        name=st.sampled_from(["/a", "/b", "search", "delete", "LANG"]),
        reason=st.just("r"),
        required=st.booleans(),
        writable=st.booleans(),
    ),
    max_size=6,
    unique_by=lambda capability: (capability.kind, capability.name),
)
folders = st.lists(
    st.builds(Preopen, st.just("data"), st.sampled_from(["/a", "/b", "/c"]), writable=st.booleans()),
    unique_by=lambda preopen: preopen.guest,
)


@given(capabilities, folders, st.booleans(), st.booleans())
def test_whatever_is_granted_was_asked_for_and_given(
    asked: list[Capability], given: list[Preopen], with_function: bool, with_variable: bool
) -> None:
    grants = Grants(
        preopens=given, functions=[search] if with_function else [], env={"LANG": "x"} if with_variable else {}
    )
    try:
        resolved = resolve(asking(*asked), grants)
    except PluginGrantError as error:
        assert error.missing
        assert any(capability.required for capability in asked)
        return
    wanted = {(capability.kind, capability.name): capability for capability in asked}
    hosts = {preopen.guest: preopen for preopen in given}
    for preopen in resolved.preopens:
        assert isinstance(preopen, Preopen)
        if preopen.writable:
            assert wanted["directory", preopen.guest].writable
            assert hosts[preopen.guest].writable
        assert ("directory", preopen.guest) in wanted
        assert preopen.guest in hosts
    for function in resolved.functions:
        assert with_function
        assert ("function", function.name) in wanted
    assert set(resolved.env) <= ({"LANG"} if with_variable else set())
    assert all(("environment", name) in wanted for name in resolved.env)
    # And nothing that was asked for and given is kept back.
    for kind, name in wanted:
        if kind == "directory" and name in hosts:
            assert name in {preopen.guest for preopen in resolved.preopens}
        if kind == "function" and name == "search" and with_function:
            assert name in {function.name for function in resolved.functions}
