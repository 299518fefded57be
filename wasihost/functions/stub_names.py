"""The names in a stub file: what it imports, what it defines, and that nothing is called like something else."""

from __future__ import annotations

import builtins
import keyword
import re
from typing import Final

_MODULES: Final = {
    "typing": ("Any", "Literal", "NotRequired", "TypedDict", "Unpack"),
    "datetime": ("date", "datetime", "time", "timedelta"),
    "decimal": ("Decimal",),
    "uuid": ("UUID",),
}
_HOME: Final = {name: module for module, names in _MODULES.items() for name in names}
RESERVED: Final = frozenset((*_HOME, *dir(builtins)))
"""What nothing else in the file is called, whether it is used there or not."""
_MAX_CHARACTERS: Final = 60
INDENT: Final = "    "


class StubNames:
    """Names of one stub file.

    Args:
        functions: Those of its functions, which stay what they are: types give way.
    """

    def __init__(self, functions: frozenset[str]) -> None:
        self._functions = functions
        self._used: set[str] = set()
        self._builtins = False
        self._classes: dict[int, str] = {}
        self._taken = set(functions | RESERVED)
        self._bodies: dict[str, str] = {}
        self._kept: list[object] = []

    def use(self, name: str) -> str:
        """Return how a type of Python's is called here."""
        module = _HOME.get(name)
        if module is None:
            if name not in self._functions or name == "None":
                return name
            self._builtins = True
            return f"_builtins.{name}"
        self._used.add(name)
        return f"_{name}" if name in self._functions else name

    def known(self, thing: object) -> str | None:
        """Return the name of the class that stands for something, once it has one."""
        return self._classes.get(id(thing))

    def add(self, thing: object, wanted: str) -> str:
        """Give something a class, and return its name; `define` says later what is in it."""
        base = re.sub(r"\W", "_", wanted, flags=re.ASCII)[:_MAX_CHARACTERS].lstrip("_") or "Value"
        if not base.isidentifier() or keyword.iskeyword(base):
            base = f"T{base}"
        name, number = base, 1
        while name in self._taken:
            number += 1
            name = f"{base}{number}"
        self._taken.add(name)
        self._classes[id(thing)] = name
        self._kept.append(thing)  # so that nothing else gets its identity
        return name

    def define(self, name: str, fields: dict[str, str], optional: frozenset[str]) -> None:
        """Write the class of a dict with these keys, each with its type."""
        base = self.use("TypedDict")
        types = {key: f"{self.use('NotRequired')}[{text}]" if key in optional else text for key, text in fields.items()}
        if all(self._is_plain(key) for key in types):
            lines = [f"{INDENT}{key}: {text}" for key, text in types.items()] or [f"{INDENT}pass"]
            self._bodies[name] = "\n".join([f"class {name}({base}):", *lines])
        else:
            lines = [f"{INDENT * 2}{key!r}: {text}," for key, text in types.items()]
            self._bodies[name] = "\n".join(
                [f"{name} = {base}(", f'{INDENT}"{name}",', f"{INDENT}{{", *lines, f"{INDENT}}},", ")"]
            )

    def _is_plain(self, key: str) -> bool:
        # A field that is called like a type would hide it from the fields after it.
        return key.isidentifier() and not keyword.iskeyword(key) and not key.startswith("_") and key not in self._taken

    def imports(self) -> list[str]:
        """Return the lines that import what was used."""
        lines = ["import builtins as _builtins"] if self._builtins else []
        for module, names in sorted(_MODULES.items()):
            used = [f"{name} as _{name}" if name in self._functions else name for name in names if name in self._used]
            if used:
                lines.append(f"from {module} import {', '.join(used)}")
        return lines

    def classes(self) -> list[str]:
        """Return the classes, in the order in which they got their names."""
        return [self._bodies[name] for name in self._classes.values() if name in self._bodies]
