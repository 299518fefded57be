"""Schemas: what is read, what is refused, and that nothing hostile takes long."""

from __future__ import annotations

import contextlib
import datetime
import decimal
import math
import uuid
from typing import Any

import jsonschema  # comes with nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_lab import PLAIN_TREES, TREES

from wasihost.functions.schema import MismatchError, Schema

NOW = datetime.datetime(2024, 1, 2, tzinfo=datetime.UTC)
NATIVE = {
    "binary": b"x",
    "date-time": NOW,
    "date": NOW.date(),
    "time": NOW.time(),
    "duration": datetime.timedelta(1),
    "decimal": decimal.Decimal(1),
    "uuid": uuid.UUID(int=7),
}


def said_of(schema: Any, value: Any) -> str:
    with pytest.raises(MismatchError) as caught:
        Schema.read(schema).check(value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("schema", "right", "wrong"),
    [
        ({}, [None, 1, "x", [1], {"a": b"x"}, NOW], []),
        ({"type": "null"}, [None], [0, "", False]),
        ({"type": "boolean"}, [True, False], [0, 1, "true", None]),
        ({"type": "integer"}, [0, -1, 10**100], [1.0, True, "1", None]),
        ({"type": "number"}, [0, 1.5, 10**400], [True, "1", decimal.Decimal(1)]),
        ({"type": "string"}, ["", "x"], [1, b"x", None, NOW]),
        ({"type": "array"}, [[], [1], (1,)], [{}, "x"]),
        ({"type": "object"}, [{}, {"a": 1}], [[], None]),
        ({"type": ["integer", "null"]}, [1, None], ["1", True]),
        ({"type": ["array", "string"], "maxItems": 1, "maxLength": 2}, [[1], "xx"], [[1, 2], "xxx"]),
        ({"enum": ["a", 1, None, [1, {"b": 2.0}]]}, ["a", 1, 1.0, None, [1, {"b": 2}]], ["b", True, 1.5, [1], b"a"]),
        ({"const": {"a": [1, 2]}}, [{"a": [1, 2]}], [{"a": [2, 1]}, {}]),
        ({"const": 0}, [0, 0.0, -0.0], [False, "", None]),
        ({"const": 10**30}, [10**30], [10**30 + 1, 1e30]),
        ({"minimum": 1, "maximum": 2.5}, [1, 2.5, "x"], [0, 2.6, 3, -(10**400)]),
        ({"exclusiveMinimum": 1, "exclusiveMaximum": 3}, [2, 1.0001], [1, 3, 1.0]),
        ({"minLength": 1, "maxLength": 2}, ["a", "ab", "\U0001f600", b"ab", [], 1], ["", "abc", b""]),
        ({"minItems": 1, "maxItems": 2}, [[1], [1, 2], "", {}], [[], [1, 2, 3]]),
        ({"uniqueItems": True}, [[], [1, 2], [1, True], [0, False], ["1", 1], [[1, 2], [2, 1]]], [[1, 1.0], [{}, {}]]),
        ({"uniqueItems": False}, [[1, 1]], []),
        ({"items": {"type": "integer"}}, [[], [1, 2], "x"], [[1, "2"], [[]]]),
        ({"items": {"type": "integer", "minimum": 0}}, [[0]], [[0, -1]]),
        ({"items": {"items": {"type": "string"}}}, [[["a"], 1]], [[["a", 1]]]),
        ({"properties": {"a": {"type": "integer"}}}, [{}, {"a": 1, "b": "x"}, []], [{"a": "1"}]),
        ({"required": ["a", "b"]}, [{"a": 1, "b": 2}, 1], [{"a": 1}]),
        ({"additionalProperties": False}, [{}], [{"a": 1}]),
        ({"properties": {"a": {}}, "additionalProperties": {"type": "null"}}, [{"a": 1, "b": None}], [{"b": 1}]),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, [1, "x"], [None, 1.5]),
        ({"type": "integer", "anyOf": [{"minimum": 5}, {"maximum": 1}]}, [0, 5], [3, "x", 5.5]),
        ({"anyOf": [{"anyOf": [{"type": "null"}, {"const": 1}]}, {"const": 2}]}, [None, 1, 2], [3]),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"type": "null"}}}, [None], [1]),
        (
            {"$ref": "#/$defs/a", "$defs": {"a": {"items": {"$ref": "#/$defs/b"}}, "b": {"$ref": "#/$defs/a"}}},
            [[], [[]], [[[], []]], 1, [1]],
            [],
        ),
        (
            {"$ref": "#/$defs/tree", "$defs": {"tree": {"type": "array", "items": {"$ref": "#/$defs/tree"}}}},
            [[], [[], [[]]]],
            [[1], [[[1]]]],
        ),
        ({"title": "a", "description": "b", "default": [1], "examples": [{}, None]}, [1], []),
        ({"type": ["string", "null"], "format": "date"}, [NOW.date(), None], ["2024-01-02", NOW]),
    ],
    ids=str,
)
def test_keywords(schema: Any, right: list[Any], wrong: list[Any]) -> None:
    read = Schema.read(schema)
    for value in right:
        read.check(value)
    for value in wrong:
        with pytest.raises(MismatchError):
            read.check(value)


@pytest.mark.parametrize("form", NATIVE)
def test_formats_are_native_values(form: str) -> None:
    for schema in ({"format": form}, {"type": "string", "format": form}):
        read = Schema.read(schema)
        read.check(NATIVE[form])
        for other, value in NATIVE.items():
            if other != form:
                with pytest.raises(MismatchError):
                    read.check(value)
        with pytest.raises(MismatchError, match=r"the value: expected .*, got a string"):
            read.check(str(NATIVE[form]))


@pytest.mark.parametrize(
    ("schema", "value", "words"),
    [
        ({"type": "integer"}, "3", "the value: expected an integer, got a string"),
        ({"type": ["integer", "number"]}, None, "the value: expected a number, got null"),
        ({"properties": {"top": {"type": "integer"}}}, {"top": "3"}, "top: expected an integer, got a string"),
        ({"properties": {"a": {"items": {"type": "null"}}}}, {"a": [None, b""]}, "a[1]: expected null, got bytes"),
        ({"items": {"properties": {"a b": {"const": 1}}}}, [{}, {"a b": 2}], "[1]['a b']: expected 1"),
        ({"required": ["a"]}, {}, "the value: 'a' is missing"),
        ({"properties": {"x": {"additionalProperties": False}}}, {"x": {"y": 1}}, "x: 'y' is not expected"),
        ({"enum": ["a", 1, None]}, "b", "the value: expected 'a' or 1 or None"),
        ({"minimum": 1}, 0, "the value: expected at least 1"),
        ({"maximum": 1.5}, 2, "the value: expected at most 1.5"),
        ({"exclusiveMinimum": 1}, 1, "the value: expected more than 1"),
        ({"exclusiveMaximum": 1}, 1, "the value: expected less than 1"),
        ({"minLength": 2}, "a", "the value: expected a length of at least 2, got 1"),
        ({"maxLength": 2}, b"abc", "the value: expected a length of at most 2, got 3"),
        ({"minItems": 2}, [1], "the value: expected at least 2 items, got 1"),
        ({"maxItems": 0}, [1], "the value: expected at most 0 items, got 1"),
        ({"uniqueItems": True}, [1, 1], "the value: it has an item twice"),
        (
            {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            "x",
            "the value: expected null or an integer, got a string",
        ),
        ({"anyOf": [{"minimum": 5}, {"maximum": 1}]}, 3, "the value: it is none of what it may be"),
        (
            {"anyOf": [{"type": "null"}, {"properties": {"a": {"type": "null"}}, "type": "object"}]},
            {"a": 1},
            "a: expected null, got an integer",
        ),
    ],
    ids=str,
)
def test_messages(schema: Any, value: Any, words: str) -> None:
    assert said_of(schema, value) == words


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (None, "parameters: it must be an object, not None"),
        ([], "parameters: it must be an object, not an array"),
        (True, "parameters: it must be an object, not True"),
        ({1: 2}, "parameters: 1 is no name"),
        ({"pattern": "a"}, "parameters: 'pattern' is not supported in schemas"),
        ({"properties": {"a": {"oneOf": []}}}, "parameters.a: 'oneOf' is not supported in schemas"),
        ({"properties": {"a b": {"not": {}}}}, "parameters['a b']: 'not' is not supported in schemas"),
        ({"type": "int"}, "parameters.type: 'int' is no type; there are"),
        ({"type": []}, "parameters.type: it must name each type once"),
        ({"type": ["null", "null"]}, "parameters.type: it must name each type once"),
        ({"type": {"a": 1}}, "parameters.type: it must be an array, not an object"),
        ({"type": [1]}, "parameters.type: 1 is no type"),
        ({"format": "email"}, "parameters.format: 'email' is not supported; there are"),
        ({"type": "integer", "format": "uuid"}, "parameters.format: it is for the type string"),
        ({"enum": []}, "parameters.enum: it must have from 1 to 1000 values"),
        ({"enum": list(range(1001))}, "parameters.enum: it must have from 1 to 1000 values"),
        ({"enum": "ab"}, "parameters.enum: it must be an array, not 'ab'"),
        ({"enum": [1], "const": 1}, "parameters: enum and const exclude each other"),
        ({"const": math.nan}, "parameters.enum: it must be a value that JSON has a form for"),
        ({"const": NOW}, "parameters.enum: it must be a value that JSON has a form for"),
        ({"default": b"x"}, "parameters.default: it must be a value that JSON has a form for"),
        ({"examples": [{"a": math.inf}]}, "parameters.examples[0]: it must be a value that JSON has a form for"),
        ({"items": []}, "parameters.items: it must be an object, not an array"),
        ({"items": True}, "parameters.items: it must be an object, not True"),
        ({"properties": []}, "parameters.properties: it must be an object"),
        ({"required": "a"}, "parameters.required: it must be an array, not 'a'"),
        ({"required": [1]}, "parameters.required: 1 is no name"),
        ({"required": ["a", "a"]}, "parameters.required: it has a name twice"),
        ({"additionalProperties": None}, "parameters.additionalProperties: it must be an object, not None"),
        ({"minimum": "1"}, "parameters.minimum: it must be a finite number"),
        ({"minimum": True}, "parameters.minimum: it must be a finite number"),
        ({"maximum": math.inf}, "parameters.maximum: it must be a finite number"),
        ({"minLength": -1}, "parameters.minLength: it must be a whole number, and not negative"),
        ({"maxItems": 1.0}, "parameters.maxItems: it must be a whole number, and not negative"),
        ({"uniqueItems": 1}, "parameters.uniqueItems: it must be true or false, not 1"),
        ({"anyOf": []}, "parameters.anyOf: it is empty"),
        ({"anyOf": [{}, 1]}, "parameters.anyOf[1]: it must be an object, not 1"),
        ({"title": 1}, "parameters.title: it must be a text"),
        ({"$ref": "#/$defs/a"}, "parameters: there is no $defs.a"),
        ({"$ref": "https://example.org/a"}, "parameters.$ref: it must be '#/$defs/NAME'"),
        ({"$ref": 1}, "parameters.$ref: it must be '#/$defs/NAME'"),
        ({"$ref": "#/$defs/a", "type": "null", "$defs": {"a": {}}}, "parameters: type has no place beside $ref"),
        ({"items": {"$defs": {}}}, "parameters.items: $defs must be at the top of the schema"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}, "parameters.$defs.a: it refers to itself"),
        (
            {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "items": {"$ref": "#/$defs/b"}},
            "parameters.$defs.b: it refers to itself",
        ),
        (
            {"$ref": "#/$defs/a", "$defs": {"a": {"anyOf": [{}, {"$ref": "#/$defs/a"}]}}},
            "parameters: an anyOf has itself among its choices",
        ),
    ],
    ids=str,
)
def test_schemas_that_are_none(schema: Any, words: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        Schema.read(schema)
    assert str(caught.value).startswith(words)


def wide(count: int) -> Any:
    return {"properties": {f"p{number}": {} for number in range(count)}}


def deep(depth: int, keyword: str) -> Any:
    schema: Any = {}
    for _ in range(depth):
        schema = {keyword: [schema]} if keyword == "anyOf" else {keyword: schema}
    return schema


def endless() -> Any:
    schema: dict[str, Any] = {}
    schema["items"] = schema
    return schema


def doubled(levels: int) -> Any:
    schema: Any = {}
    for _ in range(levels):
        schema = {"anyOf": [schema, schema]}
    return schema


def value_in_itself() -> Any:
    value: list[Any] = []
    value.append(value)
    return {"const": value}


def chain(length: int, anyof: bool) -> Any:
    parts: dict[str, Any] = {f"d{length}": {}}
    for number in range(length):
        reference = {"$ref": f"#/$defs/d{number + 1}"}
        parts[f"d{number}"] = {"anyOf": [reference, {"type": "null"}]} if anyof else reference
    return {"$ref": "#/$defs/d0", "$defs": parts}


@pytest.mark.parametrize(
    ("schema", "smaller", "words"),
    [
        (wide(2000), wide(1999), "the schema is too large, it may have 2000 parts"),
        ({"enum": [[0] * 2000]}, {"enum": [[0] * 1990]}, "the schema is too large, it may have 2000 parts"),
        ({"required": [f"p{n}" for n in range(2001)]}, {"required": [f"p{n}" for n in range(1999)]}, "2000 parts"),
        ({"description": "x" * 300_000}, {"description": "x" * 200_000}, "it may have 262144 characters"),
        ({"const": {"x" * 300_000: 1}}, {"const": {"x" * 200_000: 1}}, "it may have 262144 characters"),
        ({"const": 1 << 1_000_000}, {"const": 1 << 700_000}, "it may have 262144 characters"),
        ({"x" * 300_000: 1}, {}, "it may have 262144 characters"),
        ({"properties": {"x" * 300_000: {}}}, {"properties": {"x" * 200_000: {}}}, "it may have 262144 characters"),
        (deep(33, "items"), deep(32, "items"), "more than 32 schemas within each other"),
        (deep(33, "additionalProperties"), deep(32, "additionalProperties"), "more than 32 schemas within each other"),
        (deep(33, "anyOf"), deep(32, "anyOf"), "more than 32 schemas within each other"),
        (endless(), {}, "more than 32 schemas within each other"),
        (doubled(20), doubled(9), "it may have 2000 parts"),
        (value_in_itself(), {"const": [[]]}, "more than 32 arrays and objects within each other"),
        (chain(40, anyof=False), chain(30, anyof=False), "more than 32 references after each other"),
        (chain(40, anyof=True), chain(30, anyof=True), "more than 32 anyOf within each other"),
    ],
    ids=range(16),
)
def test_schemas_that_are_too_large(schema: Any, smaller: Any, words: str) -> None:
    Schema.read(smaller)
    with pytest.raises(ValueError, match=words) as caught:
        Schema.read(schema)
    assert len(str(caught.value)) < 5000


TRY_EVERYTHING = {
    "$ref": "#/$defs/a",
    "$defs": {
        "a": {"anyOf": [{"type": "array", "items": {"$ref": "#/$defs/a"}}] * 4 + [{"const": 1}, {"const": 2}]},
    },
}


def nested(depth: int, leaf: Any) -> Any:
    for _ in range(depth):
        leaf = [leaf]
    return leaf


def test_schemas_that_try_everything_are_given_up() -> None:
    read = Schema.read(TRY_EVERYTHING)
    read.check(nested(90, 2))
    assert said_of(TRY_EVERYTHING, nested(3, 3)) == "the value: it is none of what it may be"
    assert said_of(TRY_EVERYTHING, nested(90, 3)) == "the value: it would take too long to check it"
    beside = {
        "$ref": "#/$defs/a",
        "$defs": {
            "a": {"properties": {"n": {"$ref": "#/$defs/a"}}, "anyOf": [{"$ref": "#/$defs/b"}]},
            "b": {"type": "object", "properties": {"n": {"$ref": "#/$defs/a"}}},
        },
    }
    value: Any = {}
    for _ in range(90):
        value = {"n": value}
    assert said_of(beside, value) == "the value: it would take too long to check it"
    short: Any = {"n": {"n": 1}}
    assert said_of(beside, short) == "n.n: expected an object, got an integer"


def test_every_item_may_be_tried_with_a_few_choices() -> None:
    choices = [{"type": "integer", "minimum": 5}, {"type": "integer", "maximum": -5}, {"type": "null"}]
    read = Schema.read({"type": "array", "items": {"anyOf": choices}})
    read.check([7, -7, None] * 50_000)
    many = [{"const": number} for number in range(500)]
    read = Schema.read({"type": "array", "items": {"anyOf": many}})
    read.check([499] * 100)
    with pytest.raises(MismatchError, match="too long"):
        read.check([499] * 100_000)


def test_items_of_one_hash_are_told_apart_at_once() -> None:
    # All of these have the same hash, and a set of them takes a time that grows with the square of their number.
    crafted = [number * (2**61 - 1) for number in range(100_000)]
    Schema.read({"uniqueItems": True}).check(crafted)
    Schema.read({"uniqueItems": True}).check([[number] for number in crafted])
    with pytest.raises(MismatchError, match="an item twice"):
        Schema.read({"uniqueItems": True}).check([*crafted, crafted[7]])
    with pytest.raises(MismatchError):
        Schema.read({"items": {"enum": [1, 2]}}).check(crafted)


def test_unique_items_at_every_level_are_looked_at_once() -> None:
    schema = {"$ref": "#/$defs/a", "$defs": {"a": {"uniqueItems": True, "items": {"$ref": "#/$defs/a"}}}}
    value: Any = [[number] for number in range(50_000)]
    Schema.read(schema).check(nested(90, value))


def test_values_that_are_nested_without_end() -> None:
    tree = {"$ref": "#/$defs/a", "$defs": {"a": {"type": "array", "items": {"$ref": "#/$defs/a"}}}}
    value: list[Any] = []
    value.append(value)
    assert said_of(tree, value) == "the value: it would take too long to check it"
    assert said_of({"uniqueItems": True}, value) == "the value: it would take too long to check it"
    read = Schema.read(tree)
    read.check(nested(100, []))


def test_what_a_guest_says_is_cut_in_messages() -> None:
    key = "k" * 100_000
    assert len(said_of({"additionalProperties": {"type": "null"}}, {key: 1})) < 300
    assert len(said_of({"additionalProperties": False}, {key: 1})) < 300
    assert len(said_of({"enum": ["x" * 1000] * 90}, "y")) < 300


def test_a_long_text_is_not_copied_at_each_try() -> None:
    schema = {
        "items": {"anyOf": [{"type": "string", "enum": ["a"]}] * 15 + [{"type": "string", "minLength": 5}]},
    }
    Schema.read(schema).check(["x" * 1_000_000] * 1000)


def test_unsupported_types_are_never_right() -> None:
    for value in ({1}, object(), 1j, {"a": object()}):
        with pytest.raises(MismatchError, match="is never right"):
            Schema.read({"additionalProperties": {}}).check(value)
    with pytest.raises(MismatchError, match="keys must be texts"):
        Schema.read({"additionalProperties": {}}).check({1: 2})


WORDS = st.sampled_from(
    ["type", "format", "enum", "const", "items", "properties", "required", "additionalProperties", "minimum",
     "maxLength", "minItems", "uniqueItems", "anyOf", "$ref", "$defs", "title", "default", "examples",
     "#/$defs/a", "a", "string", "object", "uuid"]
)  # fmt: skip
ARBITRARY = st.recursive(
    PLAIN_TREES | WORDS,
    lambda inner: st.dictionaries(WORDS, inner, max_size=5) | st.lists(inner, max_size=3),
    max_leaves=20,
)


@given(ARBITRARY, TREES)
def test_arbitrary_schemas_are_read_or_refused(schema: Any, value: Any) -> None:
    try:
        read = Schema.read(schema)
    except ValueError:
        return
    with contextlib.suppress(MismatchError):
        read.check(value)


SMALL = st.integers(0, 4)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, -1.5]) | st.text("ab", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=6,
)
TYPE_NAMES = st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"])


def schemas(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(
        {},
        optional={
            "type": TYPE_NAMES | st.lists(TYPE_NAMES, min_size=1, max_size=3, unique=True),
            "minimum": st.integers(-2, 2),
            "exclusiveMaximum": st.integers(-2, 2),
            "maxLength": SMALL,
            "minItems": SMALL,
            "uniqueItems": st.booleans(),
            "required": st.lists(st.sampled_from("ab"), unique=True),
            "items": inner,
            "properties": st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
            "additionalProperties": st.booleans() | inner,
            "anyOf": st.lists(inner, min_size=1, max_size=3),
            "enum": st.lists(VALUES, min_size=1, max_size=4),
        },
    )


@settings(max_examples=300)
@given(st.recursive(st.just({}), schemas, max_leaves=4), VALUES)
def test_it_decides_like_the_reference(schema: Any, value: Any) -> None:
    expected = jsonschema.Draft202012Validator(schema).is_valid(value)
    try:
        Schema.read(schema).check(value)
    except MismatchError:
        assert not expected
    else:
        assert expected
