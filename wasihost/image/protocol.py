"""The language of host and harness: what a request says, and what may be believed of a reply."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from wasihost.result import Denial, GuestError

MESSAGE_BYTES: Final = 8 << 20
"""Header of a reply: exit code, error with its traceback, denials. The harness cuts its texts to 320 Ki characters in
all, and JSON spends at most 12 bytes on one."""
MAX_DENIALS: Final = 16
DENIAL_KINDS: Final = frozenset({"read", "write", "env", "network", "process"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A program and what it finds when it starts.

    Attributes:
        kind: "code" (also a script) or "module".
        source: The program's bytes; empty for a module.
        name: File name in tracebacks, or the module's name.
        is_file: Whether `__file__` is set.
        argv: `sys.argv`.
        path: `sys.path[0]`.
        env: Environment variables.
        inputs: JSON object whose members become globals.
        grants: Guest folders with whether each is writable, for the notes on denials.
        stream: Whether standard output is flushed at each line, because somebody watches.
        value_bytes: Longest value that is wanted.
    """

    kind: str
    source: bytes
    name: str
    is_file: bool
    argv: Sequence[str]
    path: str
    env: Mapping[str, str]
    inputs: str
    grants: Sequence[tuple[str, bool]]
    stream: bool
    value_bytes: int

    def encode(self) -> bytes:
        """Return the bytes that the harness reads."""
        header = json.dumps(
            {
                "kind": self.kind,
                "name": self.name,
                "file": self.is_file,
                "argv": list(self.argv),
                "path": self.path,
                "env": dict(self.env),
                "grants": [list(grant) for grant in self.grants],
                "stream": self.stream,
                "value_bytes": self.value_bytes,
            }
        )
        head = f'{header[:-1]}, "inputs": {self.inputs}}}'.encode()
        return len(head).to_bytes(4, "little") + head + self.source


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRequest:
    """What is to be in memory when an image is taken of it.

    Attributes:
        library: Guest folder of the packages, "" without any.
        modules: Imported in this order.
        setup: Python code that is run after that.
    """

    library: str
    modules: Sequence[str]
    setup: bytes

    def encode(self) -> bytes:
        """Return the bytes that the harness reads."""
        head = json.dumps({"kind": "image", "library": self.library, "modules": list(self.modules)}).encode()
        return len(head).to_bytes(4, "little") + head + self.setup


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageReply:
    """What the harness says of making an image: the guest's word, in checked types.

    Attributes:
        failed: The step that failed: a module, "setup", or "" where it was another.
        imported: Modules that were imported.
        entropy: (step, how often it read entropy), for those that did; "" stands for the set-up code.
    """

    failed: str
    imported: tuple[str, ...]
    entropy: tuple[tuple[str, int], ...]


def read_image_reply(said: object) -> ImageReply:
    """Read the value of a reply to an `ImageRequest`; what makes no sense is left out."""
    told = said if isinstance(said, dict) else {}
    imported = told.get("imported")
    entropy = told.get("entropy")
    failed = told.get("failed")
    return ImageReply(
        failed=_text(failed) if isinstance(failed, str) else "",
        imported=tuple(_text(name) for name in imported if isinstance(name, str)) if isinstance(imported, list) else (),
        entropy=tuple(
            (_text(note[0]), note[1])
            for note in (entropy if isinstance(entropy, list) else ())
            if isinstance(note, list) and len(note) == 2 and isinstance(note[0], str) and type(note[1]) is int
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the harness says of a run. All of it is the guest's word, in checked types and bounded sizes."""

    exit_code: int
    value: Any
    error: GuestError | None
    denials: tuple[Denial, ...]


def decode_reply(raw: bytes, *, value_bytes: int) -> Reply:
    """Read a reply, believing nothing about it.

    Raises:
        ValueError: It is not a reply; the interpreter inside is broken or lies.
    """
    size = int.from_bytes(raw[:4], "little")
    if len(raw) < 4 or size > min(MESSAGE_BYTES, len(raw) - 4) or len(raw) - 4 - size > value_bytes:
        raise ValueError("the interpreter's reply makes no sense")
    try:
        head = _json(raw[4 : 4 + size])
    except _TooLongError:
        raise ValueError("the interpreter's reply makes no sense") from None
    body = raw[4 + size :]
    if not isinstance(head, dict):
        raise ValueError("the interpreter's reply makes no sense")
    code = head.get("exit_code")
    if head.get("broken") or not isinstance(code, int) or not 0 <= code <= 255:
        raise ValueError("the program left the interpreter broken")
    return Reply(
        exit_code=int(code),
        value=_value(body) if body else None,
        error=_error(head.get("error")),
        denials=_denials(head.get("denials")),
    )


class _TooLongError(Exception):
    """An integer with more digits than Python reads."""


def _value(raw: bytes) -> Any:  # noqa: ANN401 - JSON is of any type
    try:
        return _json(raw)
    except _TooLongError:
        return None  # sound JSON, and nothing that this Python can hold: as a value that has no JSON form


def _json(raw: bytes) -> Any:  # noqa: ANN401 - JSON is of any type
    try:
        return json.loads(raw.decode(), parse_constant=_no_constant, parse_float=_finite, parse_int=_integer)
    except (ValueError, RecursionError):
        raise ValueError("the interpreter's reply makes no sense") from None


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise _TooLongError from None


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _error(said: object) -> GuestError | None:
    if said is None:
        return None
    if not isinstance(said, list) or len(said) != 3 or not all(isinstance(part, str) for part in said):
        raise ValueError("the interpreter's reply makes no sense")
    return GuestError(type=_text(said[0]), message=_text(said[1]), traceback=_text(said[2]))


def _denials(said: object) -> tuple[Denial, ...]:
    found: list[Denial] = []
    for item in said if isinstance(said, list) else ():
        if len(found) < MAX_DENIALS and isinstance(item, list) and len(item) == 2:
            kind, target = item
            if isinstance(kind, str) and kind in DENIAL_KINDS and isinstance(target, str):
                found.append(Denial(kind=kind, target=_text(target)))
    return tuple(found)


def _text(said: str) -> str:
    """Lone surrogates cannot be printed or encoded: replace them."""
    return said.encode("utf-8", "replace").decode()
