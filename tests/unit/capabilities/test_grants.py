from __future__ import annotations

import enum
import json
import keyword
import math
from collections import OrderedDict
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wasihost.capabilities import grants
from wasihost.capabilities.grants import check_args, check_env, check_inputs, check_stdin
from wasihost.errors import InvalidGrantError


def refusal(check: Any, *values: Any, **options: Any) -> str:
    with pytest.raises(InvalidGrantError) as caught:
        check(*values, **options)
    message = str(caught.value)
    assert message.isprintable()
    return message


class TestEnv:
    def test_pairs_in_order(self) -> None:
        assert check_env({}) == ()
        assert check_env({"B": "", "A": "x=y\n", "é ": "ü"}) == (("B", ""), ("A", "x=y\n"), ("é ", "ü"))
        assert check_env(MappingProxyType({"A": "1"})) == (("A", "1"),)

    @pytest.mark.parametrize(
        ("env", "message"),
        [
            ({"": "x"}, "env: name must not be empty"),
            ({"A=B": "x"}, "env: name 'A=B' must not contain \"=\""),
            ({"A\0": "x"}, "env: name contains a NUL character: 'A\\x00'"),
            ({"A\udcff": "x"}, "env: name is not valid Unicode (a lone surrogate): 'A\\udcff'"),
            ({1: "x"}, "env: name must be a str, not int"),
            ({"A": 1}, "env['A'] must be a str, not int"),
            ({"A": None}, "env['A'] must be a str, not NoneType"),
            ({"A": b"x"}, "env['A'] must be a str, not bytes"),
            ({"A": "x\0"}, "env['A'] contains a NUL character: 'x\\x00'"),
            ({"A": "\ud800"}, "env['A'] is not valid Unicode (a lone surrogate): '\\ud800'"),
            ([("A", "x")], "env must be a mapping of names to strings, not list"),
            (None, "env must be a mapping of names to strings, not NoneType"),
        ],
    )
    def test_refusals(self, env: Any, message: str) -> None:
        assert refusal(check_env, env) == message

    def test_bounds(self) -> None:
        most = {f"{number}": "" for number in range(grants.MAX_STRINGS)}
        assert len(check_env(most)) == 16384
        assert refusal(check_env, {**most, "one": ""}) == "env has 16385 variables; at most 16384 are possible"
        assert check_env({"A": "x" * (2**20 - 3)})
        assert refusal(check_env, {"A": "x" * (2**20 - 2)}) == (
            "env take 1048577 bytes; at most 1048576 are possible, pass more through inputs or stdin"
        )
        assert "env take" in refusal(check_env, {"A": "é" * 2**19})


class TestArgs:
    def test_strings_in_order(self) -> None:
        assert check_args([]) == ()
        assert check_args(["b", "", "a\n", "é", "-c"]) == ("b", "", "a\n", "é", "-c")
        assert check_args(("a",)) == ("a",)

    @pytest.mark.parametrize(
        ("args", "message"),
        [
            ("abc", "args must be a sequence of strings, not str"),
            (b"abc", "args must be a sequence of strings, not bytes"),
            (None, "args must be a sequence of strings, not NoneType"),
            ({"a"}, "args must be a sequence of strings, not set"),
            (["a", 1], "args[1] must be a str, not int"),
            (["a", b"b"], "args[1] must be a str, not bytes"),
            (["\x1b[31m\0"], "args[0] contains a NUL character: '\\x1b[31m\\x00'"),
            (["\udc80"], "args[0] is not valid Unicode (a lone surrogate): '\\udc80'"),
        ],
    )
    def test_refusals(self, args: Any, message: str) -> None:
        assert refusal(check_args, args) == message

    def test_bounds(self) -> None:
        assert len(check_args([""] * 16384)) == 16384
        assert refusal(check_args, [""] * 16385) == "args has 16385 entries; at most 16384 are possible"
        assert check_args(["x" * (2**20 - 1)])
        assert "args take 1048577 bytes; at most 1048576" in refusal(check_args, ["x" * 2**20])

    def test_they_share_their_bound_with_the_environment(self) -> None:
        env = check_env({"A": "x" * 1000})
        assert check_args(["x" * (2**20 - 1004)], env=env)
        assert "args and env together take 1048577 bytes" in refusal(check_args, ["x" * (2**20 - 1003)], env=env)


def nested(depth: int) -> Any:
    value: Any = 1
    for level in range(depth):
        value = [value] if level % 2 else {"k": value}
    return value


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
names = st.from_regex(r"\A[a-z][a-z0-9_]{0,8}\Z").filter(lambda name: not keyword.iskeyword(name))


class TestInputs:
    @given(st.dictionaries(names, json_values, max_size=4))
    def test_json_values_arrive_as_they_are(self, inputs: dict[str, Any]) -> None:
        assert json.loads(check_inputs(inputs)) == inputs

    def test_what_python_writes_as_json_too(self) -> None:
        class Colour(enum.IntEnum):
            RED = 3

        inputs = {"a": (1, (2,)), "b": OrderedDict(x=Colour.RED), "_c": [], "é": "\u2028\x00", "__d": True, "match": {}}
        assert json.loads(check_inputs(inputs)) == {
            "a": [1, [2]], "b": {"x": 3}, "_c": [], "é": "\u2028\x00", "__d": True, "match": {}
        }  # fmt: skip
        assert check_inputs({}) == "{}"
        assert check_inputs(MappingProxyType({"a": None})) == '{"a":null}'

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("", "cannot be the name of a variable"),
            ("a b", "cannot be the name of a variable"),
            ("1a", "cannot be the name of a variable"),
            ("a.b", "cannot be the name of a variable"),
            ("a\n", "cannot be the name of a variable"),
            (1, "cannot be the name of a variable"),
            (None, "cannot be the name of a variable"),
            ("\ufb01", "cannot be the name of a variable"),  # Python would look for "fi"
            ("__\uff42uiltins__", "cannot be the name of a variable"),
            ("\udcff", "cannot be the name of a variable"),
            ("class", "is a keyword of Python, not the name of a variable"),
            ("None", "is a keyword of Python, not the name of a variable"),
            ("__builtins__", "is a name that Python keeps for itself"),
            ("__name__", "is a name that Python keeps for itself"),
            ("__class__", "is a name that Python keeps for itself"),
            ("____", "is a name that Python keeps for itself"),
        ],
    )
    def test_names(self, name: Any, reason: str) -> None:
        assert refusal(check_inputs, {name: 1}) == f"inputs: {name!r} {reason}"

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            ([1, 2, [3, {4}]], "inputs['a'][2][1] is a set, which is not a JSON value"),
            ({"x": {"y": b""}}, "inputs['a']['x']['y'] is a bytes, which is not a JSON value"),
            ([0, 0, 0, object()], "inputs['a'][3] is a object, which is not a JSON value"),
            (1j, "inputs['a'] is a complex, which is not a JSON value"),
            ([1, math.nan], "inputs['a'][1] is nan; JSON has no such number"),
            ({"k": math.inf}, "inputs['a']['k'] is inf; JSON has no such number"),
            (-math.inf, "inputs['a'] is -inf; JSON has no such number"),
            ({1: 2}, "inputs['a'] has the key 1; JSON keys are str"),
            ([{None: 2}], "inputs['a'][0] has the key None; JSON keys are str"),
            ({"\udcff": 2}, "inputs['a'] has the key '\\udcff', a lone surrogate"),
            (["\ud800"], "inputs['a'][0] is not valid Unicode (a lone surrogate)"),
            ([[], [], ["x", [1], {"b\n": b""}]], "inputs['a'][2][2]['b\\n'] is a bytes, which is not a JSON value"),
        ],
    )
    def test_values(self, value: Any, message: str) -> None:
        assert refusal(check_inputs, {"fine": [1], "a": value}) == message

    def test_cycles_are_refused_and_sharing_is_not(self) -> None:
        shared = [1]
        assert check_inputs({"a": [shared, shared, {"b": shared}], "c": shared}) == '{"a":[[1],[1],{"b":[1]}],"c":[1]}'
        cycle: list[Any] = [1]
        cycle.append({"x": [cycle]})
        assert refusal(check_inputs, {"a": cycle}) == "inputs['a'][1]['x'][0] contains itself; JSON has no cycles"

    def test_depth(self) -> None:
        assert json.loads(check_inputs({"a": nested(200)})) == {"a": nested(200)}
        message = refusal(check_inputs, {"a": nested(201)})
        assert message.startswith("inputs['a']") and message.endswith("... is nested more than 200 levels deep")
        assert "nested more than 200 levels deep" in refusal(check_inputs, {"a": nested(100_000)})

    def test_integers(self) -> None:
        largest = 10**4000 - 1
        assert check_inputs({"a": [largest, -largest]}).count("9") == 8000
        for number in (largest + 1, -largest - 1, 10**100_000):
            assert refusal(check_inputs, {"a": [number]}) == "inputs['a'][0] is an integer of more than 4000 digits"

    def test_a_lower_limit_of_this_process_on_digits(self) -> None:
        import sys

        before = sys.get_int_max_str_digits()
        sys.set_int_max_str_digits(640)
        try:
            assert "inputs cannot be written as JSON: Exceeds the limit (640" in refusal(check_inputs, {"a": 10**640})
            assert check_inputs({"a": 10**600})
        finally:
            sys.set_int_max_str_digits(before)

    def test_numbers_of_names_and_values(self, monkeypatch: pytest.MonkeyPatch) -> None:
        most = {f"a{number}": 0 for number in range(grants.MAX_INPUTS)}
        assert check_inputs(most)
        assert refusal(check_inputs, {**most, "b": 0}) == "inputs has 16385 names; at most 16384 are possible"
        monkeypatch.setattr(grants, "MAX_INPUT_VALUES", 100)
        assert check_inputs({"a": [0] * 49, "b": [0] * 49})
        assert "inputs hold more than 100 values" in refusal(check_inputs, {"a": [0] * 49, "b": [0] * 50})

    def test_size(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(grants, "MAX_INPUT_BYTES", 20)
        assert len(check_inputs({"a": "x" * 12}).encode()) == 20
        for value in ("x" * 13, "é" * 7, '"' * 7, ["xxxx"] * 9):
            assert refusal(check_inputs, {"a": value}) == "inputs are longer than 20 bytes as JSON"

    def test_lists_of_the_same_lists_end_at_the_bound(self) -> None:
        bomb: Any = "x" * 1000
        for _ in range(100):
            bomb = [bomb] * 10
        assert "inputs are longer than 1073741824 bytes" in refusal(check_inputs, {"a": bomb})

    @pytest.mark.parametrize("inputs", [None, [("a", 1)], "a", 1])
    def test_a_mapping_is_needed(self, inputs: Any) -> None:
        assert "inputs must be a mapping of names to JSON values, not" in refusal(check_inputs, inputs)


class TestStdin:
    def test_bytes_and_text(self) -> None:
        assert check_stdin(b"\xff\x00") == b"\xff\x00"
        assert check_stdin("é\n") == b"\xc3\xa9\n"
        assert check_stdin("") == check_stdin(b"") == b""
        assert check_stdin(bytearray(b"x")) == b"x"  # type: ignore[arg-type]
        assert type(check_stdin(memoryview(b"x"))) is bytes  # type: ignore[arg-type]

    def test_refusals(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert refusal(check_stdin, None) == 'stdin must be bytes or str, not NoneType; b"" is an empty one'
        assert refusal(check_stdin, 3) == 'stdin must be bytes or str, not int; b"" is an empty one'
        assert refusal(check_stdin, "\udcff") == "stdin is not valid Unicode (a lone surrogate); pass bytes instead"
        monkeypatch.setattr(grants, "MAX_STDIN_BYTES", 4)
        assert check_stdin("éé") == "éé".encode()
        assert refusal(check_stdin, "éée") == "stdin has 5 bytes; at most 4 are possible"
