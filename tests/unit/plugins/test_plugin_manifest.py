"""What a manifest says, and how it is refused: by file, line and field."""

from __future__ import annotations

import datetime
import pickle
import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from manifest_lab import SHA, SMALL, WHOLE, changed, line_of, line_of_field

from wasihost.errors import ConfigError, InvalidPluginError, PluginError
from wasihost.limits import UNMETERED
from wasihost.plugins import positions
from wasihost.plugins.declared import MISSING, Capability, Dependency, Hook
from wasihost.plugins.manifest import MAX_MANIFEST_BYTES, read_manifest


def refused(text: str | bytes) -> InvalidPluginError:
    with pytest.raises(InvalidPluginError) as caught:
        read_manifest(text, file="words/plugin.toml")
    error = caught.value
    assert error.file == "words/plugin.toml"
    place = error.file if error.line is None else f"{error.file}:{error.line}"
    assert str(error).startswith(f"{place}: {error.field}: " if error.field else f"{place}: ")
    assert str(error).isprintable()
    assert len(str(error)) < 1000
    return error


def said(error: InvalidPluginError) -> tuple[int | None, str, str]:
    return error.line, error.field, str(error).partition(f"{error.field}: " if error.field else ": ")[2]


def test_a_small_manifest() -> None:
    manifest = read_manifest(SMALL)
    assert (manifest.name, manifest.version, manifest.api, manifest.entry) == (
        "word-count", "1.0.0", "1", "word_count",
    )  # fmt: skip
    assert (manifest.description, manifest.runtime, manifest.state) == ("Counts words.", None, "fresh")
    assert (manifest.homepage, manifest.author, manifest.license) == ("", "", "")
    assert (manifest.capabilities, manifest.limits, manifest.dependencies, manifest.hooks) == ((), {}, (), ())
    (count,) = manifest.exports
    assert count is manifest.export("count")
    assert manifest.export("other") is None
    assert count.signature == "count(text, top=10)"
    text, top = count.parameters
    assert (text.name, text.required, text.default) == ("text", True, MISSING)
    assert (top.name, top.required, top.default) == ("top", False, 10)
    assert count.schema == {
        "type": "object",
        "properties": {"text": {"type": "string"}, "top": {"type": "integer", "minimum": 1, "default": 10}},
        "required": ["text"],
        "additionalProperties": False,
    }
    assert count.returns_said == {"type": "object"}
    assert count.returns is not None
    text.schema.check("a")
    with pytest.raises(ValueError, match="a string"):
        text.schema.check(1)


def test_a_manifest_with_every_field() -> None:
    manifest = read_manifest(WHOLE.encode())
    assert manifest == read_manifest(WHOLE)
    assert hash(manifest) == hash(read_manifest(WHOLE))
    assert (manifest.version, manifest.api, manifest.entry) == ("1.0", ">=1,<2", "words.count")
    assert (manifest.runtime, manifest.state) == ("cpython-3.15", "kept")
    assert (manifest.homepage, manifest.author, manifest.license) == (
        "https://example.com/words", "Ada Example", "MIT",
    )  # fmt: skip
    count, clear = manifest.exports
    assert (count.description, count.returns, count.returns_said) == ("Count the words.\nIn any language.", None, None)
    assert count.signature == "count(text, top=10)"
    assert clear.signature == "clear(really=...)"
    assert (clear.parameters[0].required, clear.parameters[0].default) == (False, MISSING)
    assert clear.schema["required"] == []
    assert manifest.capabilities == (
        Capability(kind="directory", name="/documents", reason="reads and tags documents", writable=True),
        Capability(kind="function", name="search", reason="looks words up", required=False),
        Capability(kind="environment", name="LANG", reason="speaks your language"),
        Capability(kind="scratch", name="/scratch", reason="sorts on disk", disk_bytes=1_000_000, disk_files=10),
    )
    assert [str(capability) for capability in manifest.capabilities] == [
        "directory /documents, to read and change",
        "host function search",
        "environment variable LANG",
        "scratch folder /scratch for 1000000 bytes and 10 files",
    ]
    assert manifest.limits == {"memory_bytes": 134_217_728, "fuel": UNMETERED, "deadline_seconds": 2.5}
    assert manifest.dependencies == (
        Dependency(
            name="markdown-it-py", version="3.0", sha256=SHA, wheel="wheels/markdown_it_py-3.0-py3-none-any.whl"
        ),
    )
    assert manifest.dependencies[0].requirement == f"markdown-it-py==3.0 --hash=sha256:{SHA}"
    assert manifest.hooks == (
        Hook(event="document.opened", function="on_opened", priority=-5),
        Hook(event="document.saved", function="on_saved", priority=100),
    )


def test_a_plugin_may_have_nothing_but_hooks() -> None:
    text = SMALL[: SMALL.index("[exports")] + '[[hooks]]\nevent = "saved"\nfunction = "on_saved"\n'
    assert read_manifest(text).exports == ()


IN_PLUGIN = [
    ('name = "word-count"', "", "plugin.name", "is missing"),
    ('name = "word-count"', "name = 5", "plugin.name", "must be 1 to 64 of a-z, 0-9, dash and underscore"),
    ('"word-count"', '"Word"', "plugin.name", "must be 1 to 64 of a-z"),
    ('"word-count"', '"../x"', "plugin.name", "must be 1 to 64 of a-z"),
    ('"word-count"', '"a\\n"', "plugin.name", "must be 1 to 64 of a-z"),
    ('"word-count"', f'"{"a" * 65}"', "plugin.name", "must be 1 to 64 of a-z"),
    ('version = "1.0.0"', "", "plugin.version", "is missing"),
    ('"1.0.0"', '"new"', "plugin.version", "must be a version such as \"1.0.2\", not 'new'"),
    ('"1.0.0"', "1.0", "plugin.version", "must be a text, not 1.0"),
    ('api = "1"', "", "plugin.api", "is missing"),
    ('api = "1"', "api = 1", "plugin.api", "must be a text, not 1"),
    ('api = "1"', 'api = "one"', "plugin.api", 'must be a version such as "1"'),
    ('api = "1"', 'api = "2"', "plugin.api", "the plugin was written for version 2 of the interface; here is 1.0"),
    ('api = "1"', 'api = "1.1"', "plugin.api", "the plugin was written for version 1.1"),
    ('api = "1"', 'api = ">1.0"', "plugin.api", "the plugin was written for version >1.0"),
    ('entry = "word_count"', "", "plugin.entry", "is missing"),
    ('"word_count"', '"word-count"', "plugin.entry", "must be the name of a module"),
    ('"word_count"', '"a/b"', "plugin.entry", "must be the name of a module"),
    ('"word_count"', '"a.class"', "plugin.entry", "must be the name of a module"),
    ('"word_count"', '".a"', "plugin.entry", "must be the name of a module"),
    ('"word_count"', '"__main__"', "plugin.entry", "must be the name of a module"),
    ('"word_count"', '"json"', "plugin.entry", "json is a module of the standard library"),
    ('"word_count"', '"json.words"', "plugin.entry", "json is a module of the standard library"),
    ('"word_count"', '"host"', "plugin.entry", "host is the module that brings the functions of the host"),
    ('description = "Counts words."', "", "plugin.description", "is missing"),
    ('"Counts words."', '" "', "plugin.description", "is empty"),
    ('"Counts words."', f'"{"a" * 1001}"', "plugin.description", "has 1001 characters; 1000 is the most"),
    ('"Counts words."', '"Counts\\nasks for nothing"', "plugin.description", "must be one line"),
    ('"Counts words."', '"\\u001b[2J"', "plugin.description", "has the character '\\x1b', which cannot be seen"),
    ('"Counts words."', '"a\\u202eb"', "plugin.description", "has the character '\\u202e', which cannot be seen"),
    ('api = "1"', 'api = "1"\nauthors = "me"', "plugin.authors", "is not a field that there is; there are api, name,"),
    ('api = "1"', 'api = "1"\nruntime = "CPython"', "plugin.runtime", "must be the name of a runtime"),
    ('api = "1"', 'api = "1"\nstate = "warm"', "plugin.state", "must be fresh or kept, not 'warm'"),
    ('api = "1"', 'api = "1"\nhomepage = "javascript:1"', "plugin.homepage", "must be an address"),
    ('api = "1"', 'api = "1"\nauthor = "a\\tb"', "plugin.author", "has the character '\\t'"),
    ('api = "1"', 'api = "1"\nlicense = []', "plugin.license", "must be a text, not []"),
]

IN_EXPORTS = [
    ("[exports.count]", "[exports._count]", "exports._count", "'_count' is no name"),
    ("[exports.count]", '[exports."a b"]', "exports.'a b'", "'a b' is no name"),
    ("[exports.count]", '[exports."zähl"]', "exports.'zähl'", "'zähl' is no name"),
    ("[exports.count]", "[exports.5]", "exports.5", "'5' is no name"),
    ("[exports.count]", "[exports.class]", "exports.class", "class is a keyword of Python"),
    ("[exports.count]", "[exports.setup]", "exports.setup", "setup() is called when the plugin starts or ends"),
    ('description = "Count the words of a text."', "", "exports.count.description", "is missing"),
    ('text = { type = "string" }', 'text = "string"', "exports.count.parameters.text",
     "it must be an object, not 'string'"),
    ('text = { type = "string" }', 'text = { tpye = "string" }', "exports.count.parameters.text",
     "'tpye' is not supported in schemas"),
    ('text = { type = "string" }', 'text = { type = "string", pattern = "a" }', "exports.count.parameters.text",
     "'pattern' is not supported in schemas"),
    ('text = { type = "string" }', "text = { minimum = 99999999999999999999 }",
     "exports.count.parameters.text.minimum", "is a number of more than 64 bits"),
    ('text = { type = "string" }', "text = { minimum = nan }",
     "exports.count.parameters.text.minimum", "must be a finite number, not nan"),
    ('text = { type = "string" }', 'text = { default = 1, type = "string" }',
     "exports.count.parameters.text.default", "does not fit the schema: the value: expected a string, got an integer"),
    ("top = {", "lambda = {", "exports.count.parameters.lambda", "lambda is a keyword of Python"),
    ("top = {", "_top = {", "exports.count.parameters._top", "'_top' is no name"),
    ("{ text = {", "{ first = { default = 1 }, text = {", "exports.count.parameters.text",
     "is required, and stands behind first, which can be left out"),
    ("parameters = {", "required = 5\nparameters = {", "exports.count.required", "must be a list of names"),
    ("parameters = {", 'required = ["it"]\nparameters = {', "exports.count.required", "there is no parameter 'it'"),
    ("parameters = {", 'required = ["top"]\nparameters = {', "exports.count.required", "top has a default"),
    ("parameters = {", 'required = [[]]\nparameters = {', "exports.count.required", "there is no parameter []"),
    ('returns = { type = "object" }', "returns = 5", "exports.count.returns",
     "it must be an object, not 5"),
    ('returns = { type = "object" }', "return = {}", "exports.count.return",
     "is not a field that there is; there are description, parameters, required, returns"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "field", "why"), [*IN_PLUGIN, *IN_EXPORTS])
def test_a_changed_field_is_refused_by_line_and_name(old: str, new: str, field: str, why: str) -> None:
    text = changed(old, new)
    error = refused(text)
    line, at, message = said(error)
    assert at == field
    assert message.startswith(why)
    last = field.rpartition(".")[2]
    in_table = "[plugin]" if field.startswith("plugin.") else "[exports.count]"
    written = new and (f"[{field}]" if f"[{field}]" in text else f"[exports.{new[9:-1]}]" if "[exports" in new else "")
    expected = line_of(written or (f"{last} = " if new else in_table), text)
    assert line == expected, text.splitlines()[(line or 1) - 1]


DEEP = """
[exports.deep]
description = "Has a schema of many lines."

[exports.deep.parameters.rows]
type = "array"

[exports.deep.parameters.rows.items]
type = "object"

[exports.deep.parameters.rows.items.properties.title]
type = "string"

[exports.deep.parameters.rows.items.properties.size]
anyOf = [
    { type = "null" },
    { type = "integer" },
]

[exports.deep.returns]
type = "array"
"""


@pytest.mark.parametrize(
    ("old", "new", "field", "why"),
    [
        ('type = "array"\n\n', 'type = "list"\n\n', "rows.type", "'list' is no type; there are null, boolean"),
        ('[exports.deep.parameters.rows.items]\ntype = "object"', '[exports.deep.parameters.rows.items]\nkind = "x"',
         "rows.items", "'kind' is not supported in schemas"),
        ("title]\n", "title]\nminimum = 'x'\n", "rows.items.properties.title.minimum", "it must be a finite number"),
        ("title]\n", "title]\nminLength = -1\n", "rows.items.properties.title.minLength", "it must be a whole number"),
        ('{ type = "integer" }', '{ type = "int" }', "rows.items.properties.size.anyOf[1].type", "'int' is no type"),
        ('{ type = "integer" }', "{ enum = 5 }", "rows.items.properties.size.anyOf[1].enum", "it must be an array"),
        ('{ type = "integer" }', '{ "$ref" = "https://example.com" }',
         "rows.items.properties.size.anyOf[1].'$ref'", "it must be '#/$defs/NAME'"),
        ("[exports.deep.returns]", "[exports.deep.returns.items]\nuniqueItems = 1\n[exports.deep.returns]",
         "returns.items.uniqueItems", "it must be true or false, not 1"),
        ("title]\n", "title]\n'a\\b' = 1\n", "rows.items.properties.title", "'a\\\\b' is not supported in schemas"),
        ("title]\n", "title]\ndefault = 2024-02-29\n", "rows.items.properties.title.default",
         "it must be a value that JSON has a form for"),
    ],
)  # fmt: skip
def test_a_mistake_deep_in_a_schema_is_found_in_its_line(old: str, new: str, field: str, why: str) -> None:
    text = changed(old, new, SMALL + DEEP)
    line, at, message = said(refused(text))
    prefix = "exports.deep." if field.startswith("returns") else "exports.deep.parameters."
    assert (at, message[: len(why)]) == (prefix + field, why)
    written = text.splitlines()[(line or 1) - 1]
    assert field.rpartition(".")[2].strip("'") in written


def test_a_name_in_a_schema_cannot_forge_a_message() -> None:
    text = SMALL + DEEP + "[exports.deep.parameters.rows.'$defs']\n\"x\\u001b[2J\\n\" = 1\n"
    error = refused(text)
    assert error.field == "exports.deep.parameters.rows.'$defs'"
    assert error.line == line_of("[exports.deep.parameters.rows.'$defs']", text)
    assert str(error).endswith(": it must be an object, not 1")


def test_defaults_that_are_dates() -> None:
    text = changed('text = { type = "string" }', 'day = { type = "string", format = "date", default = 2024-02-29 }')
    (day, _) = read_manifest(text).exports[0].parameters
    assert (day.default, day.required) == (datetime.date(2024, 2, 29), False)
    assert day.said["default"] == "2024-02-29"
    day.schema.check(day.default)
    error = refused(text.replace("2024-02-29", "2024-02-29T00:00:00"))
    assert error.field == "exports.count.parameters.day.default"
    assert "expected a date, got a datetime" in str(error)


def test_parameters_that_make_no_schema_together() -> None:
    """Each of them is sound alone."""
    large = ", ".join(f'p{n} = {{ type = "null" }}' for n in range(1200))
    two = ", ".join(f'x{n} = {{ type = "object", properties = {{ {large} }} }}' for n in range(2))
    error = refused(changed('text = { type = "string" }', two))
    assert error.field == "exports.count.parameters"
    assert "the schema is too large, it may have 2000 parts" in str(error)
    within = '{ "$ref" = "#/$defs/word", "$defs" = { word = { type = "string" } } }'
    error = refused(changed('text = { type = "string" }', f"text = {within}"))
    assert error.field.startswith("exports.count.parameters")


def test_a_schema_that_is_too_large() -> None:
    many = ", ".join(f'p{n} = {{ type = "null" }}' for n in range(2500))
    text = changed('text = { type = "string" }', f'text = {{ type = "object", properties = {{ {many} }} }}')
    assert "the schema is too large, it may have 2000 parts" in str(refused(text))


def section(old: str, new: str) -> str:
    return changed(old, new, WHOLE)


ELSEWHERE = [
    (section('kind = "directory"', 'kind = "network"'), "capabilities[0].kind", "there is no network for plugins yet"),
    (section('kind = "directory"', 'kind = "clock"'), "capabilities[0].kind", "must be directory or function or"),
    (section('kind = "directory"', ""), "capabilities[0].kind", "is missing"),
    (section('guest = "/documents"', ""), "capabilities[0].guest", "is missing"),
    (section('guest = "/documents"', 'guest = "documents"'), "capabilities[0].guest", "guest path 'documents' must be"),
    (section('guest = "/documents"', 'guest = "/a/../b"'), "capabilities[0].guest", "guest path '/a/../b' must be"),
    (section('guest = "/documents"', 'guest = "/"'), "capabilities[0].guest", "/ holds the plugin itself"),
    (section('guest = "/documents"', 'guest = "/plugin"'), "capabilities[0].guest", "/plugin holds the plugin itself"),
    (section('guest = "/documents"', 'guest = "/plugin/a"'), "capabilities[0].guest", "/plugin/a holds the plugin"),
    (section('guest = "/documents"', 'guest = "/scratch"'), "capabilities[3].guest", "/scratch is another folder"),
    (section("writable = true", 'writable = "yes"'), "capabilities[0].writable", "must be true or false, not 'yes'"),
    (section("writable = true", "overlay = true"), "capabilities[0].overlay", "is not a field that there is"),
    (section('reason = "looks words up"', ""), "capabilities[1].reason", "is missing"),
    (section('"looks words up"', '""'), "capabilities[1].reason", "is empty"),
    (section('"looks words up"', '"a\\nasks for nothing"'), "capabilities[1].reason", "must be one line"),
    (section('"looks words up"', f'"{"a" * 301}"'), "capabilities[1].reason", "has 301 characters; 300 is the most"),
    (section("required = false", "required = 0"), "capabilities[1].required", "must be true or false, not 0"),
    (section('name = "search"', 'name = "os.system"'), "capabilities[1].name", "'os.system' is no name"),
    (section('name = "LANG"', 'name = "A=B"'), "capabilities[2].name", "name 'A=B' must not contain"),
    (section('name = "LANG"', 'name = "A"\nguest = "/x"'), "capabilities[2].guest", "is not a field that there is"),
    (section("disk_files = 10", "disk_files = 0"), "capabilities[3].disk_files", "must be a whole number from 1 to"),
    (section("disk_files = 10", "disk_files = true"), "capabilities[3].disk_files", "must be a whole number from 1"),
    (section("memory_bytes = 134_217_728", "memory_bytes = 1"), "limits.memory_bytes", "must be from 65536 to"),
    (section("memory_bytes = 134_217_728", "memory = 1"), "limits.memory", "is not a field that there is; there are f"),
    (section('fuel = "unmetered"', 'fuel = "much"'), "limits.fuel", "must be a whole number or UNMETERED, not 'much'"),
    (section("deadline_seconds = 2.5", "deadline_seconds = inf"), "limits.deadline_seconds", "must be a finite number"),
    (section('name = "Markdown_It.py"', 'name = "a b"'), "dependencies[0].name", "must be the name of a package"),
    (section('version = "3.0"', 'version = ">=3"'), "dependencies[0].version", "must be one exact version"),
    (section('version = "3.0"', 'version = "3.*"'), "dependencies[0].version", "must be one exact version"),
    (section('version = "3.0"', 'version = "3.1"'), "dependencies[0].wheel", "is markdown-it-py 3.0, and not"),
    (section(SHA, SHA[1:]), "dependencies[0].sha256", "must be a sha256, 64 lower-case hex digits"),
    (section(f'sha256 = "{SHA}"', ""), "dependencies[0].sha256", "is missing"),
    (section("wheels/markdown", "../markdown"), "dependencies[0].wheel", "must be a path within the plugin"),
    (section("wheels/markdown", "/wheels/markdown"), "dependencies[0].wheel", "must be a path within the plugin"),
    (section("py3-none-any", "cp315-cp315-linux_x86_64"), "dependencies[0].wheel", "needs native code"),
    (section("-py3-none-any.whl", ".zip"), "dependencies[0].wheel", "must be the path of a wheel"),
    (section('event = "document.saved"', 'event = "document saved"'), "hooks[0].event", "must be the name of an event"),
    (section('function = "on_saved"', 'function = "os.system"'), "hooks[0].function", "'os.system' is no name"),
    (section('function = "on_saved"', 'function = "teardown"'), "hooks[0].function", "teardown() is called when"),
    (section("priority = -5", "priority = 1.5"), "hooks[1].priority", "must be a whole number from -1000000 to"),
    (section("priority = -5", "order = 1"), "hooks[1].order", "is not a field that there is"),
    (section("[limits]", "[limit]"), "limit", "is not a field that there is; there are plugin, exports, capabilities"),
    (WHOLE + '\n[[capabilities]]\nkind = "function"\nname = "search"\nreason = "r"\n', "capabilities[4]",
     "asks a second time for the function search"),
    (WHOLE + '\n[[capabilities]]\nkind = "scratch"\nguest = "/b"\nreason = "r"\n', "capabilities[4].kind",
     "a plugin has one scratch folder at most"),
    (WHOLE + f'\n[[dependencies]]\nname = "markdown-it-py"\nversion = "3"\nsha256 = "{SHA}"\n',
     "dependencies[1].name", "markdown-it-py is listed twice"),
    (WHOLE + '\n[[hooks]]\nevent = "document.saved"\nfunction = "on_saved"\n', "hooks[2]",
     "on_saved listens to document.saved already"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "field", "why"), ELSEWHERE)
def test_what_is_wrong_in_the_other_tables(text: str, field: str, why: str) -> None:
    line, at, message = said(refused(text))
    assert (at, message[: len(why)]) == (field, why)
    assert line == line_of_field(field, text)


@pytest.mark.parametrize(
    ("text", "line", "field", "why"),
    [
        ("", 1, "plugin", "is missing"),
        ("plugin = 5", 1, "plugin", "must be a table, not 5"),
        ("# nothing\n[plugin]\n", 2, "plugin.api", "is missing"),
        ("[plugin\n", 1, "", "is not TOML: Expected ']' at the end of a table declaration"),
        ("[plugin]\nname = 'a\n", 2, "", "is not TOML: "),
        ("[plugin]\nname = 'a'\nname = 'b'\n", 3, "", "is not TOML: Cannot overwrite a value"),
        ('[plugin]\nx = """a\n\n', 2, "", "is not TOML: "),
        ("a = 1\nb = [1,\n2\n", 3, "", "is not TOML: Unclosed array"),
        ("x = 2024-02-31", 1, "", "is not TOML: Invalid date or datetime"),
        ("x = " + "9" * 5000, None, "", "is not TOML: Exceeds the limit"),
        ("\ufeff[plugin]", 1, "", "is not TOML: Invalid statement"),
        (b"[plugin]\n# caf\xe9\n", 2, "", "is not UTF-8 (byte 14)"),
        ("# \ud800", 1, "", "is not UTF-8 (byte 2)"),
        ("#" * (MAX_MANIFEST_BYTES + 1), None, "", "is larger than 262144 bytes"),
        ("a = 1\n" + ".".join("a" * 40) + " = 1", 2, "", "asks too much of a reader: a key of more than 32 parts"),
        ("a = " + "[" * 500, 1, "", "asks too much of a reader: more than 32 values within each other"),
        ("x = 0x" + "f" * 100_000, 1, "x", "is a number of more than 64 bits"),
        (SMALL[: SMALL.index("[exports")], 1, "exports", "is missing: a plugin has at least one function"),
        (SMALL.replace("[exports.count]", "[[exports]]"), 8, "exports", "must be a table, not [{"),
        ("exports = []\n" + SMALL[: SMALL.index("[exports")], 1, "exports", "must be a table, not []"),
        ("capabilities = [1]\n" + SMALL, 1, "capabilities", "must be tables, written [[capabilities]]"),
        ("limits = 5\n" + SMALL, 1, "limits", "must be a table, not 5"),
        ("hooks = {}\n" + SMALL, 1, "hooks", "must be tables, written [[hooks]]"),
        ("capabilities = [" + "{}," * 101 + "]\n" + SMALL, 1, "capabilities", "has 101 entries; 100 is the most"),
        (SMALL + "\n".join(f"[exports.f{n}]" for n in range(200)), 8, "exports", "has 201 entries; 200 is the most"),
    ],
)
def test_what_is_no_manifest_at_all(text: str | bytes, line: int | None, field: str, why: str) -> None:
    error = refused(text)
    assert (error.line, error.field) == (line, field)
    assert why in str(error)


def test_another_version_of_the_interface_is_said_before_what_it_brought() -> None:
    text = changed('api = "1"', 'api = "2"') + "[telepathy]\n"
    assert refused(text).field == "plugin.api"


@pytest.mark.parametrize("api", ["1", "1.0", ">=1", ">=1,<2", "~=1.0", "==1.*", "!=3"])
def test_versions_of_the_interface_that_fit(api: str) -> None:
    assert read_manifest(changed('api = "1"', f'api = "{api}"')).api == api


def test_reading_a_manifest_at_the_bounds_does_not_take_long() -> None:
    # A text that tomllib by itself reads for minutes, as it takes time with the square of the parts of a key.
    text = ".".join("a" * 100_000) + " = 1\n"
    before = time.process_time()
    refused(text)
    assert time.process_time() - before < 30


def test_toml_of_another_kind_than_is_known_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(positions, "_BARE_KEY", re.compile("[a-eg-z_]+"))
    assert said(refused("[plugin]\nfuture = 1\n")) == (2, "", "is TOML of a kind that is not known here")


def test_the_manifest_of_the_documentation() -> None:
    page = Path(__file__).parents[3] / "docs" / "plugin-manifest.md"
    (text, _) = re.findall(r"^```toml\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    manifest = read_manifest(text)
    assert (manifest.name, len(manifest.capabilities), len(manifest.hooks)) == ("word-count", 4, 1)
    assert manifest.exports[0].signature == "count(text, top=10, language=...)"
    # Every field that there is: without its tables, every one of them is told as one that there could be.
    for field in ("plugin.x", "exports.count.x", "capabilities[0].x", "limits.x", "dependencies[0].x", "hooks[0].x"):
        table = field.rpartition(".")[0].removesuffix("[0]")
        header = f"[[{table}]]" if f"[[{table}]]" in text else f"[{table}]"
        error = refused(text.replace(header, f"{header}\nx = 1", 1))
        assert error.field == field
        known = str(error).partition("there are ")[2].split(", ")
        if table != "limits":
            assert [name for name in known if not re.search(rf"^(# )?{name} = ", text, re.MULTILINE)] == []
            assert known


def test_the_error_is_a_config_error_and_can_be_pickled() -> None:
    error = refused("plugin = 5")
    assert isinstance(error, PluginError)
    assert isinstance(error, ConfigError)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.file, again.line, again.field) == (str(error), error.file, error.line, error.field)


@settings(deadline=None, max_examples=200)
@given(st.integers(0, len(WHOLE)), st.integers(0, 40), st.text(max_size=5) | st.sampled_from('"[]{}=.\n\\'))
def test_a_damaged_manifest_is_read_or_refused(at: int, length: int, put: str) -> None:
    text = WHOLE[:at] + put + WHOLE[at + length :]
    try:
        read_manifest(text)
    except InvalidPluginError as error:
        assert error.line is None or 1 <= error.line <= text.count("\n") + 1
