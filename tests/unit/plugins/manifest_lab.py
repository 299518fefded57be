"""A manifest that uses every field, and small changes to it."""

from __future__ import annotations

import re

SHA = "5f" * 32

SMALL = """\
[plugin]
name = "word-count"
version = "1.0.0"
api = "1"
entry = "word_count"
description = "Counts words."

[exports.count]
description = "Count the words of a text."
parameters = { text = { type = "string" }, top = { type = "integer", minimum = 1, default = 10 } }
returns = { type = "object" }
"""

WHOLE = f"""\
[plugin]
name = "word-count"
version = "1.0"
api = ">=1,<2"
entry = "words.count"
description = "Counts words."
runtime = "cpython-3.15"
state = "kept"
homepage = "https://example.com/words"
author = "Ada Example"
license = "MIT"

[exports.count]
description = '''
Count the words.
In any language.'''

[exports.count.parameters.text]
type = "string"

[exports.count.parameters.top]
type = "integer"
default = 10

[exports.clear]
description = "Forget everything."
parameters = {{ really = {{ type = "boolean" }} }}
required = []

[[capabilities]]
kind = "directory"
guest = "/documents"
writable = true
reason = "reads and tags documents"

[[capabilities]]
kind = "function"
name = "search"
reason = "looks words up"
required = false

[[capabilities]]
kind = "environment"
name = "LANG"
reason = "speaks your language"

[[capabilities]]
kind = "scratch"
reason = "sorts on disk"
disk_bytes = 1_000_000
disk_files = 10

[limits]
memory_bytes = 134_217_728
fuel = "unmetered"
deadline_seconds = 2.5

[[dependencies]]
name = "Markdown_It.py"
version = "3.0"
sha256 = "{SHA}"
wheel = "wheels/markdown_it_py-3.0-py3-none-any.whl"

[[hooks]]
event = "document.saved"
function = "on_saved"

[[hooks]]
event = "document.opened"
function = "on_opened"
priority = -5
"""


def changed(old: str, new: str, text: str = SMALL) -> str:
    """Return the manifest with one place changed."""
    assert text.count(old) == 1, old
    return text.replace(old, new)


def line_of(part: str, text: str) -> int:
    """Return the line of the first occurrence of a text."""
    return text[: text.index(part)].count("\n") + 1


def line_of_field(field: str, text: str) -> int:
    """Return the line where a field such as `capabilities[1].reason` is written, else that of its table's header."""
    table, number, name = re.fullmatch(r"(\w+)(?:\[(\d+)\])?(?:\.(\w+))?", field).groups()
    lines = text.splitlines()
    headers = [index for index, line in enumerate(lines) if line == (f"[[{table}]]" if number else f"[{table}]")]
    header = headers[int(number or 0)]
    for index in range(header + 1, len(lines)):
        if lines[index].startswith("["):
            break
        if name and lines[index].startswith(f"{name} ="):
            return index + 1
    return header + 1
