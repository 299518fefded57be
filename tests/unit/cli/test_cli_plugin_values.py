"""What is typed as an argument of a plugin's function, by the schema of its parameter; and how results are printed."""

from __future__ import annotations

import datetime
import json
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from wasihost.cli.plugin_values import read_json, read_words, result_text
from wasihost.errors import ConfigError
from wasihost.functions.schema import Schema
from wasihost.plugins.declared import Export, Parameter

WHEN = datetime.datetime(2026, 11, 26, 9, 30, tzinfo=datetime.UTC)
DAY = datetime.date(2026, 11, 26)
TEXTS = {"type": "string"}


def export(**schemas: Any) -> Export:
    parameters = tuple(
        Parameter(name=name, schema=Schema.read(said, where=name), said=said) for name, said in schemas.items()
    )
    return Export(name="call", description="For the tests.", parameters=parameters)


def read(schema: Any, text: str) -> Any:
    """One value, typed by name and in order."""
    args, kwargs = read_words(export(value=schema), [text if text.startswith("value=") else f"value={text}"])
    assert args == ()
    return kwargs["value"]


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        (TEXTS, "5", "5"),
        (TEXTS, "", ""),
        (TEXTS, "null", "null"),
        (TEXTS, '"quoted"', '"quoted"'),
        (TEXTS, "a=b", "a=b"),
        (TEXTS, "@@home", "@home"),
        ({"enum": ["1", "two"]}, "1", "1"),
        ({"type": "integer"}, "5", 5),
        ({"type": "integer"}, "-5", -5),
        ({"type": "integer"}, str(2**80), 2**80),
        ({"type": "number"}, "2.5", 2.5),
        ({"type": "boolean"}, "true", True),
        ({"type": "array", "items": TEXTS}, '["a", "1"]', ["a", "1"]),
        ({"type": "object"}, '{"a": 1}', {"a": 1}),
        ({"type": ["string", "null"]}, "null", None),
        ({"type": ["string", "null"]}, "nothing", "nothing"),
        ({"type": ["string", "null"]}, "5", "5"),
        ({"type": ["string", "integer"]}, "5", 5),
        ({"anyOf": [TEXTS, {"type": "integer", "minimum": 10}]}, "5", "5"),
        ({}, "5", 5),
        ({}, "words", "words"),
        ({}, "/documents/a", "/documents/a"),  # which could be bytes in base64
        ({}, "2026-11-26", "2026-11-26"),
        ({}, "[1, 2", "[1, 2"),
        ({}, '"5"', "5"),
        ({"format": "binary"}, "AP8=", b"\0\xff"),
        ({"format": "date-time"}, "2026-11-26T09:30:00Z", WHEN),
        ({"format": "date"}, "2026-11-26", DAY),
        ({"format": "date"}, '"2026-11-26"', DAY),
        ({"format": "time"}, "09:30:00", datetime.time(9, 30)),
        ({"format": "duration"}, "P1DT3S", datetime.timedelta(days=1, seconds=3)),
        ({"format": "decimal"}, "1.10", Decimal("1.10")),
        ({"format": "uuid"}, str(uuid.UUID(int=5)), uuid.UUID(int=5)),
        ({"anyOf": [{"format": "date"}, {"type": "null"}]}, "null", None),
        ({"anyOf": [{"format": "date"}, {"type": "null"}]}, "2026-11-26", DAY),
        ({"type": "array", "items": {"format": "date"}}, '["2026-11-26"]', [DAY]),
        ({"type": "object", "additionalProperties": {"format": "binary"}}, '{"a": "YQ=="}', {"a": b"a"}),
    ],
)
def test_a_value_is_what_its_parameter_takes(schema: Any, text: str, value: Any) -> None:
    found = read(schema, text)
    assert (found, type(found)) == (value, type(value))
    if "=" not in text:
        assert read_words(export(value=schema), [text]) == ((value,), {})


@pytest.mark.parametrize(
    ("schema", "text", "why"),
    [
        ({"type": "integer"}, "five", "the argument value is to be int, in JSON, and 'five' is not"),
        ({"type": "integer"}, "", "the argument value is to be int, in JSON, and '' is not"),
        ({"type": "number"}, "NaN", "the argument value is to be float, in JSON, and 'NaN' is not"),
        ({"type": "array"}, "[" * 100_000, "the argument value is to be list[Any], in JSON, and '[[["),
        ({"format": "binary"}, "a b", "the argument value is to be bytes, in base64 or as @FILE, and 'a b' is not"),
        ({"format": "date"}, "today", "the argument value is to be a date such as 2026-11-26, and 'today' is not"),
        ({"format": "time"}, "\x1b[2J", "the argument value is to be a time such as 09:30:00, and '\\\\x1b"),
        (TEXTS, "@/no/such/file", "value: /no/such/file cannot be read: No such file or directory"),
        (TEXTS, "@/tmp", "value: /tmp cannot be read: Is a directory"),
        (TEXTS, "@a\0b", "value: a\\x00b cannot be read: that is no path"),
    ],
)  # fmt: skip
def test_a_value_that_its_parameter_does_not_take(schema: Any, text: str, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(schema, text)
    assert str(caught.value).startswith(why)


def test_what_has_the_right_type_and_is_wrong_is_left_to_the_call() -> None:
    assert read({"type": "integer", "minimum": 0}, "-5") == -5
    assert read({"enum": ["a"]}, "b") == "b"


def test_files(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not JSON\n")
    (tmp_path / "json").write_text('{"a": [1]}\n')
    (tmp_path / "bytes").write_bytes(b"\0\xff")
    assert read(TEXTS, f"@{tmp_path}/text") == "not JSON\n"
    assert read(TEXTS, f"@{tmp_path}/json") == '{"a": [1]}\n'
    assert read({"type": "object"}, f"@{tmp_path}/json") == {"a": [1]}
    assert read({"format": "binary"}, f"@{tmp_path}/bytes") == b"\0\xff"
    with pytest.raises(ConfigError, match=r"^value: what was read is no UTF-8 from byte 1 on$"):
        read(TEXTS, f"@{tmp_path}/bytes")
    assert read_json(export(a={}), f"@{tmp_path}/json") == ((), {"a": [1]})


def test_words_with_names_and_without() -> None:
    both = export(text=TEXTS, top={"type": "integer"})
    assert read_words(both, ["a b", "5"]) == (("a b", 5), {})
    assert read_words(both, ["top=5", "a b"]) == (("a b",), {"top": 5})
    assert read_words(both, ["x=1", "top=5"]) == (("x=1",), {"top": 5})
    assert read_words(both, ["text=top=1"]) == ((), {"text": "top=1"})
    assert read_words(both, []) == ((), {})
    with pytest.raises(ConfigError, match=r"^the argument top is given twice$"):
        read_words(both, ["top=5", "top=6"])
    with pytest.raises(ConfigError, match=r"^call\(text, top\) takes no argument 'c' on top of those before it$"):
        read_words(both, ["a", "5", "c"])


def test_json_for_all_arguments() -> None:
    both = export(text=TEXTS, when={"anyOf": [{"format": "date-time"}, {"type": "null"}]})
    said = {"text": "5", "when": "2026-11-26T09:30:00Z"}
    assert read_json(both, json.dumps(said)) == ((), {"text": "5", "when": WHEN})
    assert read_json(both, json.dumps([*said.values()])) == (("5", WHEN), {})
    assert read_json(both, '{"text": "@x", "more": 1}') == ((), {"text": "@x", "more": 1})  # the call refuses it
    assert read_json(both, "[1, null, 3]") == ((1, None, 3), {})
    for text, why in (
        ("{", "that is no JSON"),
        ("5", "that is neither an object"),
        ("[NaN]", "NaN is no number of JSON"),
    ):
        with pytest.raises(ConfigError, match=why):
            read_json(both, text)


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        (b"\0\xff", {"format": "binary"}),
        (WHEN, {"format": "date-time"}),
        (DAY, {"format": "date"}),
        (datetime.time(9, 30, 1, 5), {"format": "time"}),
        (datetime.timedelta(days=-1, microseconds=7), {"format": "duration"}),
        (Decimal("1.10"), {"format": "decimal"}),
        (uuid.UUID(int=2**100), {"format": "uuid"}),
        (2**100, {"type": "integer"}),
        ({"a": [None, True, 1.5, "é\x1b"]}, {"type": "object"}),
        ([[b"a"], {"b": DAY}], {"items": {"anyOf": [{"type": "array"}, {"type": "object"}]}}),
    ],
)
def test_a_result_that_is_printed_can_be_typed_again(value: Any, schema: Any) -> None:
    text = result_text(value)
    assert text.isascii()
    assert text.isprintable()
    if schema.get("items") is None:
        assert read_json(export(value=schema), f"[{text}]") == ((value,), {})
    else:
        assert json.loads(text) == [["YQ=="], {"b": "2026-11-26"}]
