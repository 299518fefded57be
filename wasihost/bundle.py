"""A plugin's modules as they travel to a guest, and what is asked of them and answered.

The code of a module is made inside, when the plugin is looked at for the first time; what comes back is kept here as
bytes that nothing on the host looks into, and goes to guests that run this plugin and nothing else.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from wasihost.functions.reading import decode
from wasihost.functions.writing import encode_value
from wasihost.plugins.manifest import PLUGIN_GUEST

if TYPE_CHECKING:
    from wasihost.plugins.package import PluginPackage

MAX_TOLD: Final = 10_000
"""Parameters of exports that are believed."""
_ABOUT: Final = frozenset({"plugin.toml", "README.md", "LICENSE", "LICENSE.txt", "CHANGELOG.md"})
"""Files of a plugin that it does not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a guest said of a plugin's modules; its own word, in checked types.

    Attributes:
        code: Module -> compiled code, for guests only.
        exports: Name -> parameters (name, kind as in `inspect.Parameter`, whether it has a default); None when the
            entry module has no such function.
    """

    code: Mapping[str, bytes]
    exports: Mapping[str, tuple[tuple[str, str, bool], ...] | None]


class Bundle:
    """The modules of a plugin.

    Args:
        package: The plugin.
        code: What `Checked.code` said; none before.
    """

    def __init__(self, package: PluginPackage, *, code: Mapping[str, bytes] | None = None) -> None:
        self._entry = package.manifest.entry
        self._kept = package.manifest.state == "kept"
        text = bytearray()
        modules: dict[str, list[object]] = {}
        for name, (file, is_package, source) in sorted(modules_of(package.files).items()):
            compiled = (code or {}).get(name, b"")
            start = len(text)
            text += source
            middle = len(text)
            text += compiled
            modules[name] = [f"{PLUGIN_GUEST}/{file}", int(is_package), start, middle, middle, len(text)]
        self._text = bytes(text)
        self._modules = json.dumps(modules)

    def ask(self, order: str, *details: Any, with_modules: bool = True) -> tuple[str, bytes]:  # noqa: ANN401
        """Return what the harness is told, as JSON, and the body of the request.

        Args:
            order: "check" (names of exports), "call" (name, args, kwargs) or "end".
            *details: What belongs to it, in values that can be passed to a guest.
            with_modules: Whether the guest has yet to be given the modules.

        Raises:
            ReplyError: A value has no form for a guest.
        """
        text = self._text if with_modules else b""
        said = json.dumps({"entry": self._entry, "kept": self._kept, "bundle_bytes": len(text)})
        said = f'{said[:-1]}, "modules": {self._modules if with_modules else "null"}}}'
        return said, text + encode_value([order, *details])


def modules_of(files: Mapping[str, bytes]) -> dict[str, tuple[str, bool, bytes]]:
    """Return the modules among a plugin's files: name -> path, whether it is a package, source."""
    found: dict[str, tuple[str, bool, bytes]] = {}
    for path, source in files.items():
        *folders, last = path.split("/")
        stem, dot, kind = last.rpartition(".")
        if kind != "py" or not dot or is_test(path):
            continue
        parts = folders if stem == "__init__" else [*folders, stem]
        if parts and all(part.isidentifier() for part in parts):
            found[".".join(parts)] = (path, stem == "__init__", source)
    for name in [*found]:  # folders without an __init__.py are packages all the same
        while name := name.rpartition(".")[0]:
            found.setdefault(name, (f"{name.replace('.', '/')}/__init__.py", True, b""))
    return found


def is_test(path: str) -> bool:
    """Whether a file is one of the plugin's tests."""
    return path.startswith(("tests/", "test/"))


def has_data(files: Mapping[str, bytes]) -> bool:
    """Whether a plugin has files that it may want to read itself, so that it needs its folder."""
    return any(not path.endswith((".py", ".pyi")) and not is_test(path) and path not in _ABOUT for path in files)


def read_checked(value: object) -> Checked:
    """Read the answer to "check", believing nothing about it.

    Raises:
        ValueError: It is none.
    """
    match value:
        case [dict(code), dict(exports)]:
            pass
        case _:
            raise ValueError("the plugin's answer makes no sense")
    left = [MAX_TOLD]
    try:
        return Checked(
            code={str(name): base64.b64decode(text, validate=True) for name, text in code.items()},
            exports={str(name): _parameters(said, left) for name, said in exports.items()},
        )
    except (TypeError, binascii.Error, UnicodeEncodeError):
        raise ValueError("the plugin's answer makes no sense") from None


def _parameters(said: object, left: list[int]) -> tuple[tuple[str, str, bool], ...] | None:
    if said is None:
        return None
    found = []
    for row in said if isinstance(said, list) else [None]:
        left[0] -= 1
        match row:
            case [str(name), str(kind), bool(has_default)] if left[0] >= 0:
                found.append((name, kind, has_default))
            case _:
                raise ValueError("the plugin's answer makes no sense")
    return tuple(found)


def read_result(value: object) -> Any:  # noqa: ANN401 - what the plugin's function returned
    """Return what the function returned: plain values, bytes, dates and so on (`functions.reading.decode`).

    Raises:
        ValueError: The answer is none.
    """
    if not isinstance(value, str):
        raise ValueError("the plugin's answer makes no sense")
    try:
        _, args, _ = decode(base64.b64decode(value, validate=True))
        (result,) = args
    except ValueError as error:  # also of a message that is none
        raise ValueError(f"the plugin's answer makes no sense: {error}") from None
    return result
