"""Stub files: what they say, and that mypy believes them."""

import ast
import dataclasses
import datetime
import decimal
import enum
import subprocess
import sys
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, NewType, NotRequired, TypedDict, Unpack

import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wasihost.functions.function import HostFunction, host_function
from wasihost.functions.stubs import stub_file


class Colour(enum.Enum):
    RED = "r"
    BLUE = "b"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


@dataclasses.dataclass
class Tree:
    name: str
    children: list["Tree"] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Event:
    date: datetime.date
    day: datetime.date


class Options(TypedDict):
    depth: int
    name: NotRequired[str]


class Pair(NamedTuple):
    left: int
    right: str


class Row(msgspec.Struct, tag="row", rename="camel"):
    row_key: str
    size: int = 0


class Flat(msgspec.Struct, array_like=True):
    x: int


class Model(pydantic.BaseModel):
    count: int
    size: Annotated[int, pydantic.Field(alias="Size")] = 0
    tree: Tree | None = None


Key = NewType("Key", str)


@host_function
def search(query: str, /, limit: int = 10, *rest: float, exact: bool = False, **more: str) -> list[str]:
    """Find things."""
    return []


@host_function
async def fetch(key: Key, *, when: datetime.datetime | None = None, raw: bytes = b"x", ratio: float = 0.5) -> Tree:
    """Fetch a thing.

    It says "why" it is \\ and ends with a "quote"
    """
    raise NotImplementedError


@host_function
def many(
    pair: tuple[int, str],
    pairs: Sequence[Pair],
    colour: Colour,
    level: Level,
    exact: Literal["a", 1, None],  # noqa: PYI061 - as people write it
    numbers: set[decimal.Decimal],
    named: Mapping[str, list[uuid.UUID]],
    either: bytes | str | None,
    event: Event,
    row: Row,
    flat: Flat,
    model: Model,
    anything,
    note: Annotated[int, msgspec.Meta(ge=0)] = 3,
    loose: dict = {},  # noqa: B006 - likewise
    rows: tuple = (),
    **options: Unpack[Options],
) -> tuple[int, Pair]:
    raise NotImplementedError


declared = HostFunction(
    name="count_words",
    call=lambda **given: given,
    help="Count.",
    parameters={
        "type": "object",
        "properties": {
            "text": {"type": "string"},
            "options": {
                "type": "object",
                "properties": {"deep": {"type": "boolean"}, "two words": {"type": "string", "format": "decimal"}},
                "required": ["deep"],
            },
            "tree": {"$ref": "#/$defs/tree"},
            "nothing": {"type": ["integer", "null"], "default": None},
            "top": {"enum": [1, 2], "default": 1},
        },
        "required": ["text"],
        "additionalProperties": {"type": "array", "items": {"type": "number"}},
        "$defs": {
            "tree": {
                "type": "object",
                "title": "Word tree",
                "properties": {"words": {"type": "array", "items": {"$ref": "#/$defs/tree"}}},
            }
        },
    },
    returns={"type": "object", "properties": {"words": {"type": "integer"}}, "required": ["words"]},
)


def test_a_stub_file() -> None:
    assert (
        stub_file([search, fetch, declared])
        == '''\
"""Functions of the host that this program may call."""

from datetime import datetime
from decimal import Decimal
from typing import Literal, NotRequired, TypedDict

class Tree(TypedDict):
    name: str
    children: NotRequired[list[Tree]]

CountWordsOptions = TypedDict(
    "CountWordsOptions",
    {
        'deep': bool,
        'two words': NotRequired[Decimal],
    },
)

class WordTree(TypedDict):
    words: NotRequired[list[WordTree]]

class CountWordsResult(TypedDict):
    words: int

def search(query: str, /, limit: int = 10, *rest: float, exact: bool = False, **more: str) -> list[str]:
    """Find things."""

async def fetch(key: str, *, when: datetime | None = None, raw: bytes = ..., ratio: float = 0.5) -> Tree:
    """Fetch a thing.

    It says "why" it is \\\\ and ends with a "quote\\"
    """

def count_words(text: str, options: CountWordsOptions = ..., tree: WordTree = ..., nothing: int | None = None, \
top: Literal[1, 2] = ..., **others: list[float]) -> CountWordsResult:
    """Count."""
'''
    )


def test_types_of_hints_as_a_guest_sees_them() -> None:
    text = stub_file([many])
    for said in (
        "pair: tuple[int, str], ",
        "pairs: list[list[int | str]], ",
        "colour: Literal['r', 'b'], ",
        "level: Literal[1, 2], ",
        "exact: Literal['a', 1, None], ",
        "numbers: list[Decimal], ",
        "named: dict[str, list[UUID]], ",
        "either: bytes | str | None, ",
        "event: Event, ",
        "row: Row, ",
        "flat: list[Any], ",
        "model: Model, ",
        "anything: Any, ",
        "note: int = 3, ",
        "loose: dict[str, Any] = ..., ",
        "rows: tuple[Any, ...] = ..., ",
        "**options: Unpack[Options]",
        ") -> list[int | list[int | str]]: ...",
        "Row = TypedDict(\n    \"Row\",\n    {\n        'type': Literal['row'],\n        'rowKey': str,\n",
        "    count: int\n    Size: NotRequired[int]\n    tree: NotRequired[Tree | None]\n",
        "class Options(TypedDict):\n    depth: int\n    name: NotRequired[str]\n",
        "Event = TypedDict(\n",
    ):
        assert said in text, said


def named(name: str, hint: Any = int) -> HostFunction:
    def call(x):
        return x

    call.__annotations__ = {"x": hint, "return": hint}
    return host_function(call, name=name)


def test_functions_may_be_called_like_types() -> None:
    functions = [named("int"), named("list", list[int]), named("datetime", datetime.datetime), named("Tree", Tree)]
    text = stub_file([*functions, named("Any", Any), named("str", Tree)])
    assert "import builtins as _builtins\nfrom datetime import datetime as _datetime\n" in text
    assert "def int(x: _builtins.int) -> _builtins.int: ..." in text
    assert "def list(x: _builtins.list[_builtins.int]) -> _builtins.list[_builtins.int]: ..." in text
    assert "def datetime(x: _datetime) -> _datetime: ..." in text
    assert "def Tree(x: Tree2) -> Tree2: ..." in text
    assert "class Tree2(TypedDict):\n    name: _builtins.str\n" in text


def test_two_classes_of_one_name_are_two() -> None:
    other = dataclasses.make_dataclass("Tree", [("x", int)])
    text = stub_file([named("f", Tree), named("g", other)])
    assert "def f(x: Tree) -> Tree: ..." in text
    assert "def g(x: Tree2) -> Tree2: ..." in text
    assert "class Tree2(TypedDict):\n    x: int" in text


HOSTILE = [
    '"""\nimport os\n"""',
    '\\"""\nimport os',
    'x"',
    "x\\",
    '"',
    '""',
    "\0\r\x0cimport os\u2028import os",
    "a\n\n  b\n",
    "\N{RIGHT-TO-LEFT OVERRIDE}x",
    "'''",
    'x" \ny"\t\nz',
]


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_nothing_that_a_schema_says_becomes_code(text: str) -> None:
    schema = {
        "type": "object",
        "properties": {
            "a": {"enum": [text]},
            "b": {"type": "object", "title": text, "properties": {text: {"const": text}}},
            "c": {"type": "string", "default": text, "description": text},
        },
    }
    function = HostFunction(name="f", call=print, parameters=schema, returns=None, help=text)
    stub = stub_file([function])
    tree = ast.parse(stub)
    kinds = [type(node) for node in tree.body]
    assert kinds[:2] == [ast.Expr, ast.ImportFrom]
    assert len(kinds) == 4
    assert kinds[3] is ast.FunctionDef
    last = tree.body[3]
    assert isinstance(last, ast.FunctionDef)
    assert len(last.body) == 1
    assert [part.strip() for part in (ast.get_docstring(last) or "").split()] == text.split()
    assert "\u202e" not in stub
    annotation = last.args.args[0].annotation
    assert isinstance(annotation, ast.Subscript)
    assert ast.literal_eval(annotation.slice) == text


@given(st.text(st.sampled_from('"\\\n\t x\0') | st.characters(codec="utf-8")))
def test_any_help_is_a_docstring_and_nothing_else(text: str) -> None:
    tree = ast.parse(stub_file([host_function(lambda: None, name="f", help=text)]))
    function = tree.body[-1]
    assert isinstance(function, ast.FunctionDef)
    assert len(function.body) == 1
    assert [type(node) for node in tree.body[:-1]] in ([ast.Expr], [ast.Expr, ast.ImportFrom])
    assert (ast.get_docstring(function) or "").split() == text.split()


PROGRAM = """
import asyncio
import host
from host import count_words, fetch, search

found: list[str] = search("x", 5, 1.5, exact=True, other="y")
search(query="x")  # error: Unexpected
search("x", "5")  # error: incompatible
tree = asyncio.run(fetch("k", raw=b""))
name: str = tree["children"][0]["name"]
words: int = count_words("x", {"deep": True}, others=[1.5])["words"]
count_words("x", {"deep": 1})  # error: incompatible
count_words("x", top=3)  # error: incompatible
host.int(5)
host.many((1, "x"), [[1, "x"]], "r", 3, "a", [], {}, None, {"date": None, "day": None}, depth=1)  # error
"""


def test_mypy_accepts_the_file_and_finds_mistakes_with_it(tmp_path: Path) -> None:
    functions = [search, fetch, many, declared, named("int"), named("list", list[int]), named("date", Event)]
    functions += [named("Literal", Colour), named("TypedDict", Options), named("dict", dict[str, Any])]
    (tmp_path / "host.pyi").write_text(stub_file(functions), encoding="utf-8")
    (tmp_path / "program.py").write_text(PROGRAM, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", f"--cache-dir={tmp_path}", "--python-version=3.11",
         "--no-error-summary", "host.pyi", "program.py"],
        cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    wrong = {f"program.py:{n}" for n, line in enumerate(PROGRAM.split("\n"), 1) if "# error" in line}
    found = {line.split(": ")[0] for line in done.stdout.splitlines() if ": error: " in line}
    assert found == wrong, done.stdout


def test_no_functions() -> None:
    assert stub_file([]) == '"""Functions of the host that this program may call."""\n'
