"""Lines of tables and keys in TOML texts, and the bounds on what a reader is asked for."""

from __future__ import annotations

import random
import string
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wasihost.plugins.positions import MAX_DEPTH, MAX_KEY_PARTS, MAX_NESTING, MAX_PLACES, Positions, TooComplexError

DOCUMENT = '''\
# a comment with [brackets] and "quotes
title = "a # in a text, and a \\" in it"
[plugin]
name = 'C:\\'   # ends in a backslash
"quoted.key" = 1
"caf\\u00e9" = 2
long = """
[not.a.table]
key = 1
"" a quote"""
other = \'\'\'
\'\'[neither]
\'\'\'\'\'
numbers = [
  1,
  # between
  [2, 3],

  { a = 1, b = { c = 2 } },
]
when = 1979-05-27 07:32:00
a . b . c = true
inline = { one = "}", two = [ "]",
  3 ] }

[[rows]]
x = 1
[rows.inner]
y = 2
[[rows]]
[[rows.deep]]
[[rows.deep]]
z = 3

[ tables . "with space" ]
k = 1

[late.child]
v = 1
[late]
w = 2
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ((), 1),
        (("nothing",), 1),
        (("title",), 2),
        (("plugin",), 3),
        (("plugin", "missing"), 3),
        (("plugin", "name"), 4),
        (("plugin", "name", "within", 3), 4),
        (("plugin", "quoted.key"), 5),
        (("plugin", "café"), 6),
        (("plugin", "long"), 7),
        (("plugin", "other"), 11),
        (("plugin", "numbers"), 14),
        (("plugin", "numbers", 0), 15),
        (("plugin", "numbers", 1, 1), 17),
        (("plugin", "numbers", 2, "b", "c"), 19),
        (("plugin", "when"), 21),
        (("plugin", "a"), 22),
        (("plugin", "a", "b", "c"), 22),
        (("plugin", "inline", "two", 0), 23),
        (("plugin", "inline", "two", 1), 24),
        (("rows",), 26),
        (("rows", 0, "x"), 27),
        (("rows", 0, "inner", "y"), 29),
        (("rows", 1), 30),
        (("rows", 1, "x"), 30),
        (("rows", 1, "deep", 0), 31),
        (("rows", 1, "deep", 1, "z"), 33),
        (("tables", "with space", "k"), 36),
        (("late", "child", "v"), 39),
        (("late",), 40),
        (("late", "w"), 41),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_lines(path: tuple[str | int, ...], line: int, newline: str) -> None:
    tomllib.loads(DOCUMENT)
    assert Positions(DOCUMENT.replace("\n", newline)).line_of(path) == line


names = st.text(string.ascii_letters + string.digits + "-_. \"'é#[]=", min_size=1, max_size=6)
texts = st.text("ab é\n\"'#[]{}\\=,\u2028\U0001f600", max_size=8)
values = st.recursive(
    st.integers(-5, 5) | st.booleans() | st.floats(-5, 5) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)


class Writer:
    """Writes TOML in as many styles as it has, and notes the line of whatever it writes."""

    def __init__(self, seed: int) -> None:
        self.chance, self.text, self.lines = random.Random(seed), "", {}

    def put(self, text: str) -> None:
        self.text += text

    def note(self, path: tuple[str | int, ...]) -> None:
        self.lines[path] = self.text.count("\n") + 1

    def key(self, name: str) -> str:
        bare = all(c in string.ascii_letters + string.digits + "-_" for c in name)
        if bare and self.chance.random() < 0.5:
            return name
        if "'" not in name and self.chance.random() < 0.5:
            return f"'{name}'"
        return self.basic(name)

    def basic(self, text: str) -> str:
        return '"' + "".join(f"\\U{ord(c):08x}" if c in '"\\\n' else c for c in text) + '"'

    def string(self, text: str) -> str:
        style = self.chance.randint(0, 3)
        if style == 1 and "'" not in text and "\n" not in text:
            return f"'{text}'"
        if style == 2 and "'''" not in text and not text.endswith("'"):
            return f"'''\n{text}'''"
        if style == 3:
            escaped = text.replace("\\", "\\\\").replace('"""', '""\\"')
            return f'"""{escaped}\\n"""' if not escaped.startswith("\n") else f'"""\n{escaped}\\n"""'
        return self.basic(text)

    def gap(self) -> None:
        self.put(self.chance.choice(["", " ", "\n", " # ] } ' \"\n", "\n\n  "]))

    def value(self, path: tuple[str | int, ...], value: Any) -> None:
        if isinstance(value, list):
            self.put("[")
            for index, inner in enumerate(value):
                self.gap()
                self.note((*path, index))
                self.value((*path, index), inner)
                self.gap()
                self.put("," if index + 1 < len(value) or self.chance.random() < 0.5 else "")
            self.gap()
            self.put("]")
        elif isinstance(value, dict):
            self.put("{ ")
            for index, (name, inner) in enumerate(value.items()):
                self.put(", " if index else "")
                self.note((*path, name))
                self.put(f"{self.key(name)} = ")
                self.value((*path, name), inner)
            self.put(" }")
        elif isinstance(value, str):
            self.put(self.string(value))
        else:
            self.put(str(value).lower())

    def table(self, path: tuple[str | int, ...], table: dict[str, Any]) -> None:
        heads = {
            name: value
            for name, value in table.items()
            if self.chance.random() < 0.5
            and (
                isinstance(value, dict)
                or (isinstance(value, list) and value and all(isinstance(row, dict) for row in value))
            )
        }
        for name, value in table.items():
            if name not in heads:
                self.gap() if self.text.endswith("\n") else self.put("\n")
                self.note((*path, name))
                self.put(f"{self.key(name)}{self.chance.choice(['=', ' = '])}")
                self.value((*path, name), value)
                self.put(self.chance.choice(["\n", " # [x]\n", "\n\n"]))
        for name, value in heads.items():
            header = ".".join(self.key(step) for step in (*path, name) if isinstance(step, str))
            self.put("\n")
            if isinstance(value, dict):
                self.note((*path, name))
                self.put(f"[{header}]\n")
                self.table((*path, name), value)
                continue
            for index, row in enumerate(value):
                self.put("\n")
                self.note((*path, name, index))
                self.lines.setdefault((*path, name), self.lines[*path, name, index])
                self.put(f"[[{header}]]\n")
                self.table((*path, name, index), row)


@given(st.dictionaries(names, values, max_size=5), st.integers(0, 2**32))
def test_everything_that_toml_can_say_is_found_where_it_stands(document: dict[str, Any], seed: int) -> None:
    writer = Writer(seed)
    writer.table((), document)
    tomllib.loads(writer.text)
    positions = Positions(writer.text)
    assert positions.is_whole
    assert {path: positions.line_of(path) for path in writer.lines} == writer.lines


@given(st.text(st.sampled_from("a.=[]{}\"'\\#\n, 1") | st.characters(), max_size=60))
def test_no_text_is_too_broken_and_all_that_is_valid_is_followed(text: str) -> None:
    positions = Positions(text)
    assert 1 <= positions.line_of(("a",)) <= text.count("\n") + 1
    try:
        tomllib.loads(text)
    except ValueError:
        return
    assert positions.is_whole


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("ok = 1\n" + ".".join("a" * (MAX_KEY_PARTS + 1)) + " = 1", 2),
        ("[" + ".".join("a" * 100_000) + "]", 1),
        ("\n\nx = " + "[" * (MAX_NESTING + 1) + "]" * (MAX_NESTING + 1), 3),
        ("x = " + "[" * 100_000, 1),
        ("x = " + "{a=" * 50_000, 1),
        ("a = 1\nb = [" + "0," * MAX_PLACES + "]", 2),
        ("\n".join(f"k{n} = 1" for n in range(MAX_PLACES + 1)), MAX_PLACES + 1),
        ("[" + ".".join("a" * 30) + "]\n" + ".".join("b" * 30) + " = [[[[[1]]]]]", 2),
    ],
)
def test_what_asks_too_much(text: str, line: int) -> None:
    with pytest.raises(TooComplexError) as caught:
        Positions(text)
    assert caught.value.line == line


def test_what_is_just_within_bounds() -> None:
    path = ".".join("a" * MAX_KEY_PARTS)
    text = f"{path} = 1\nx = {'[' * MAX_NESTING}{']' * MAX_NESTING}\n"
    tomllib.loads(text)
    assert Positions(text).line_of(tuple("a" * MAX_KEY_PARTS)) == 1
    assert MAX_KEY_PARTS < MAX_DEPTH
