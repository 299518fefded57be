"""Writes the beginning of a plugin: small, working, tested."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from wasihost.errors import InvalidPluginError, PluginTargetError
from wasihost.plugins.fields import printable
from wasihost.plugins.manifest import MANIFEST_NAME, NAME, NAME_FORM, check_module
from wasihost.plugins.package import target_path

_MANIFEST: Final = """\
[plugin]
name = "NAME"
version = "0.1.0"
api = "1"
entry = "MODULE"
description = "Counts the words of a text."

# Each exported function, with the schemas of its parameters and of what it returns. A parameter with a default can be
# left out.
[exports.count]
description = "Count the words of a text, and tell the most frequent ones."

[exports.count.parameters.text]
type = "string"

[exports.count.parameters.top]
type = "integer"
minimum = 0
maximum = 1000
default = 10

[exports.count.returns]
type = "object"
required = ["words", "most"]

[exports.count.returns.properties.words]
type = "integer"

[exports.count.returns.properties.most]
type = "array"
items = { type = "object", properties = { word = { type = "string" }, times = { type = "integer" } } }

# A plugin reaches nothing but its own files unless it asks, with a reason that the host can show:
#
# [[capabilities]]
# kind = "directory"  # or "function", "environment", "scratch"
# guest = "/documents"
# reason = "Reads the documents whose words are to be counted."
"""

_MODULE: Final = '''\
"""Counts the words of a text."""

import re
from collections import Counter

WORD = re.compile(r"\\w+")


def count(text: str, top: int = 10) -> dict:
    """Count the words of a text.

    Args:
        text: The text.
        top: How many of the most frequent words to tell.
    """
    words = [word.lower() for word in WORD.findall(text)]
    ordered = sorted(Counter(words).items(), key=lambda item: (-item[1], item[0]))
    return {"words": len(words), "most": [{"word": word, "times": times} for word, times in ordered[:top]]}
'''

_TEST: Final = '''\
"""Tests of MODULE; they run wherever Python does, also inside the sandbox."""

import unittest

import MODULE


class CountTest(unittest.TestCase):
    """What `count` tells of a text."""

    def test_words_are_counted_whatever_their_case(self) -> None:
        counted = MODULE.count("The sea, the sky.", top=1)
        self.assertEqual(counted, {"words": 4, "most": [{"word": "the", "times": 2}]})

    def test_an_empty_text_has_no_words(self) -> None:
        self.assertEqual(MODULE.count(""), {"words": 0, "most": []})


if __name__ == "__main__":
    unittest.main()
'''

_README: Final = """\
# NAME

Counts the words of a text. A plugin for programs that use wasihost.

- `plugin.toml` says what the plugin is, which functions it has, and what it asks for.
- `MODULE.py` has the functions.
- `tests/` has their tests.

Run the tests with any Python, from this folder:

    python -m unittest discover tests

Check the plugin, and run its tests inside the sandbox, where it will run:

    wasirun plugin check .

Call a function of it there:

    wasirun plugin call . count "the sea, the sky" top=1

See what the plugin asks for, as its users see it:

    wasirun plugin inspect .

Make one file of it, to pass on:

    wasirun plugin pack .
"""


def scaffold(folder: str | os.PathLike[str], name: str) -> Path:
    """Write a plugin that works, to be changed: plugin.toml, a module, its test, README.md.

    Args:
        folder: Where; it is made, or is empty.
        name: Of the plugin; its module has the same name, with underscores.

    Returns:
        The folder.

    Raises:
        InvalidPluginError: The name cannot be that of a plugin or of its module.
        PluginTargetError: The folder is not empty, or cannot be written.
    """
    module = check_name(name)
    target = target_path(folder)
    shown = printable(str(target))
    texts = {
        MANIFEST_NAME: _MANIFEST,
        f"{module}.py": _MODULE,
        f"tests/test_{module}.py": _TEST,
        "README.md": _README,
    }
    try:
        target.mkdir(parents=True, exist_ok=True)
        if any(target.iterdir()):
            raise PluginTargetError(f"{shown} is not empty")
        for path, text in texts.items():
            (target / path).parent.mkdir(exist_ok=True)
            with (target / path).open("x", encoding="utf-8") as file:
                file.write(text.replace("NAME", name).replace("MODULE", module))
    except FileExistsError:
        raise PluginTargetError(f"{shown} is a file, or somebody else writes to it") from None
    except OSError as error:
        raise PluginTargetError(f"{shown} cannot be written: {error.strerror}") from None
    return target


def check_name(name: str) -> str:
    """Return the name of the module of a plugin of that name.

    Raises:
        InvalidPluginError: The name cannot be that of a plugin or of its module.
    """
    if not NAME.fullmatch(name):
        raise InvalidPluginError(f"the name of a plugin must be {NAME_FORM}, not {printable(name)[:100]!r}")
    module = name.replace("-", "_")
    if why := check_module(module):
        raise InvalidPluginError(f"{name} cannot be the name of a plugin with a module {module}: {why}")
    return module
