"""Functions whose arguments a schema declares."""

from __future__ import annotations

import json
from typing import Any

import pytest

from wasihost.errors import InvalidFunctionError
from wasihost.functions.function import HostFunction
from wasihost.functions.mistakes import ArgumentsError, ReplyError

PARAMETERS = {
    "type": "object",
    "properties": {
        "text": {"type": "string", "description": "What is counted."},
        "top": {"type": "integer", "minimum": 1, "default": 3},
        "raw": {"type": "string", "format": "binary"},
        "options": {"type": "object", "additionalProperties": {"type": "boolean"}, "default": {}},
    },
    "required": ["text"],
}
RETURNS = {"type": "array", "items": {"type": ["integer", "null"]}}


def declared(parameters: Any = None, returns: Any = None) -> HostFunction:
    schema = PARAMETERS if parameters is None else parameters
    return HostFunction(name="count", call=lambda **given: given, parameters=schema, returns=returns, help="Counts.")


def properties(**said: Any) -> dict[str, Any]:
    return {"type": "object", "properties": said}


def refused(function: HostFunction, *args: Any, **kwargs: Any) -> tuple[str, str]:
    with pytest.raises(ArgumentsError) as caught:
        function.bind(list(args), kwargs)
    return caught.value.kind, caught.value.message


def called(function: HostFunction, *args: Any, **kwargs: Any) -> Any:
    bound = function.bind(list(args), kwargs)
    return function(*bound.args, **bound.kwargs)


def test_it_is_called_by_name_with_its_defaults() -> None:
    function = declared()
    assert called(function, "x") == {"text": "x", "top": 3, "options": {}}
    assert called(function, "x", 5, raw=b"y", options={"a": True}) == {
        "text": "x", "top": 5, "raw": b"y", "options": {"a": True},
    }  # fmt: skip
    assert not function.is_async
    assert function.help == "Counts."


def test_a_default_is_nobodys_to_change() -> None:
    function = declared()
    called(function, "x")["options"]["a"] = True
    assert called(function, "x")["options"] == {}


@pytest.mark.parametrize(
    ("args", "kwargs", "kind", "words"),
    [
        ((), {}, "TypeError", "count() missing required argument: 'text'"),
        ((1,), {}, "TypeError", "count() argument text: expected a string, got an integer"),
        (("x", 0), {}, "ValueError", "count() argument top: expected at least 1"),
        (("x",), {"raw": "y"}, "TypeError", "count() argument raw: expected bytes, got a string"),
        (("x",), {"options": {"a": 1}}, "TypeError", "count() argument options.a: expected a boolean, got an integer"),
        (("x",), {"other": 1}, "TypeError", "count() got an unexpected keyword argument 'other'"),
        (("x", 1, b"", {}, 5), {}, "TypeError", "count() takes 4 positional arguments but 5 were given"),
    ],
)
def test_what_it_does_not_take(args: tuple[Any, ...], kwargs: dict[str, Any], kind: str, words: str) -> None:
    assert refused(declared(), *args, **kwargs) == (kind, words)


def test_members_beside_the_properties_are_taken_only_when_they_are_declared() -> None:
    anything = declared({**PARAMETERS, "additionalProperties": True})
    assert called(anything, "x", others=1, b=2)["others"] == 1
    numbers = declared({**PARAMETERS, "additionalProperties": {"type": "integer"}})
    assert called(numbers, "x", b=2)["b"] == 2
    assert refused(numbers, "x", b="2") == ("TypeError", "count() argument b: expected an integer, got a string")
    assert numbers.describe()["parameters"][-1] == ["others", "VAR_KEYWORD", 0, None, "int"]


def test_what_a_guest_is_told() -> None:
    told = declared(returns=RETURNS).describe()
    assert json.loads(json.dumps(told)) == {
        "name": "count",
        "help": "Counts.",
        "is_async": False,
        "parameters": [
            ["text", "POSITIONAL_OR_KEYWORD", 0, None, "str"],
            ["top", "POSITIONAL_OR_KEYWORD", 1, 3, "int"],
            ["raw", "POSITIONAL_OR_KEYWORD", 2, None, "bytes"],
            ["options", "POSITIONAL_OR_KEYWORD", 1, {}, "dict[str, bool]"],
        ],
        "returns": "list[int | None]",
    }


def test_what_is_required_after_what_is_not_is_given_by_name() -> None:
    function = declared({**properties(a={}, b={"default": 1}, c={}, d={}), "required": ["a", "c"]})
    assert [each[:3] for each in function.describe()["parameters"]] == [
        ["a", "POSITIONAL_OR_KEYWORD", 0],
        ["b", "POSITIONAL_OR_KEYWORD", 1],
        ["c", "KEYWORD_ONLY", 0],
        ["d", "KEYWORD_ONLY", 2],
    ]
    assert called(function, 1, c=2) == {"a": 1, "b": 1, "c": 2}


def test_types_as_text() -> None:
    texts = {
        "Any": {},
        "int | None": {"type": ["null", "integer"]},
        "float": {"type": "number"},
        "Literal['a', 1, None]": {"enum": ["a", 1, None]},
        "list[Any]": {"type": "array"},
        "dict[str, Any]": {"type": "object", "properties": {"a": {}}},
        "str | list[datetime]": {
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string", "format": "date-time"}}]
        },
        "list[list[list[list[list[Any]]]]]": {"$ref": "#/$defs/tree"},
    }
    parts = {"tree": {"type": "array", "items": {"$ref": "#/$defs/tree"}}}
    schema = properties(**{f"p{number}": said for number, said in enumerate(texts.values())})
    function = declared({**schema, "$defs": parts})
    assert [each[4] for each in function.describe()["parameters"]] == list(texts)


def test_results() -> None:
    function = declared(returns=RETURNS)
    assert function.reply((1, None)) == (1, None)
    with pytest.raises(ReplyError, match=r"count\(\) returned something else than it declares: \[1\]: expected null"):
        function.reply([1, "x"])
    assert declared().reply({"a": b"x"}) == {"a": b"x"}
    with pytest.raises(ReplyError):
        declared().reply(object())


def test_a_schema_is_taken_as_it_was() -> None:
    schema = properties(a={"type": "integer"})
    function = declared(schema)
    schema["properties"]["a"]["type"] = "string"
    assert refused(function, "x")[0] == "TypeError"
    assert function.parameters == {**properties(a={"type": "integer"}), "additionalProperties": False}


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ([], "parameters: it must be an object"),
        ({}, 'parameters: it must be a schema of the type "object"'),
        ({"type": "array"}, 'parameters: it must be a schema of the type "object"'),
        ({"type": "object", "anyOf": [{}]}, 'parameters: it must be a schema of the type "object"'),
        ({"type": "object", "const": {}}, 'parameters: it must be a schema of the type "object"'),
        ({**properties(a={}), "required": ["b"]}, "parameters.required: 'b' is none of the properties"),
        (properties(**{"a b": {}}), "parameters: 'a b' cannot be the name of a parameter"),
        (properties(**{"class": {}}), "parameters: 'class' cannot be the name of a parameter"),
        (properties(a={"type": "int"}), "parameters.a.type: 'int' is no type"),
        (properties(a={"type": "integer", "default": "x"}), "parameters.a.default: the value: expected an integer"),
        (properties(**{f"p{number}": {} for number in range(256)}), "parameters: there are more than 255"),
    ],
    ids=range(11),
)
def test_schemas_that_declare_no_function(parameters: Any, words: str) -> None:
    with pytest.raises(InvalidFunctionError) as caught:
        declared(parameters)
    assert str(caught.value).startswith(f"the function 'count', {words}")


def test_a_result_of_no_type() -> None:
    with pytest.raises(InvalidFunctionError, match=r"the function 'count', returns\.type: 'int' is no type"):
        declared(returns={"type": "int"})


def test_what_is_no_function() -> None:
    with pytest.raises(InvalidFunctionError, match="cannot be called"):
        HostFunction(name="f", call=1, parameters=properties())  # type: ignore[arg-type]
    with pytest.raises(InvalidFunctionError, match="cannot be the name"):
        HostFunction(name="_f", call=print, parameters=properties())


def test_a_schema_and_a_coroutine_function() -> None:
    async def call(**given: Any) -> Any:
        return given

    assert HostFunction(name="f", call=call, parameters=properties()).is_async
