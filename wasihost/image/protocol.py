"""The language of host and harness for runs: what a request says, and what may be believed of a reply."""

from __future__ import annotations

import json
import marshal
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from wasihost.result import Denial, GuestError

MESSAGE_BYTES: Final = 8 << 20
"""Header of a reply: exit code, error with its traceback, denials. The harness cuts its texts to 320 Ki characters in
all, and JSON spends at most 12 bytes on one."""
PLAIN: Final = 2
"""Version of `marshal` that every Python writes and reads alike, for texts, numbers, lists and dictionaries."""
MAX_DENIALS: Final = 16
DENIAL_KINDS: Final = frozenset({"read", "write", "env", "network", "process"})


class Request(NamedTuple):
    """A program and what it finds when it starts.

    Attributes:
        kind: "code" (also a script), "module" or "plugin".
        source: The program's bytes; empty for a module. Of a plugin, its files and what is to be done.
        name: File name in tracebacks, or the module's name.
        is_file: Whether `__file__` is set.
        argv: `sys.argv`.
        path: `sys.path[0]`.
        env: Environment variables.
        inputs: JSON object whose members become globals.
        grants: Guest folders with whether each is writable, for the notes on denials.
        stream: Whether standard output is flushed at each line, because somebody watches.
        value_bytes: Longest value that is wanted.
        functions: JSON that tells of the host's functions, "" without any.
        plugin: JSON that tells of the plugin whose function is called, for the kind "plugin".
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
    functions: str = ""
    plugin: str = ""

    def encode(self) -> bytes:
        """Return the bytes that the harness reads."""
        said: dict[str, Any] = {
            "kind": self.kind,
            "name": self.name,
            "argv": list(self.argv),
            "path": self.path,
            "value_bytes": self.value_bytes,
        }
        # Most programs are short, and what is not said costs nothing.
        if self.is_file:
            said["file"] = True
        if self.env:
            said["env"] = dict(self.env)
        if self.grants:
            said["grants"] = [list(grant) for grant in self.grants]
        if self.stream:
            said["stream"] = True
        if self.inputs != "{}":
            said["inputs"] = self.inputs
        if self.functions:
            said["functions"] = self.functions
        if self.plugin:
            said["plugin"] = self.plugin
        return framed(said, self.source)


def framed(said: dict[str, Any], body: bytes) -> bytes:
    """Return a request as the harness reads it.

    What the host says is trusted inside, and `marshal` is read there in a tenth of the time of JSON. Nothing is read
    in that form that comes from there.
    """
    head = marshal.dumps(_plain(said), PLAIN)
    return len(head).to_bytes(4, "little") + head + body


def _plain(value: Any) -> Any:  # noqa: ANN401 - what a request is made of
    """Return a value without subclasses of its types, which `marshal` refuses, or takes for the bytes behind them."""
    kind = type(value)
    if kind is str or kind is int or kind is bool:
        return value
    if isinstance(value, dict):
        return {_plain(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    raise TypeError(f"a request cannot say {kind.__name__}")


class Reply(NamedTuple):
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
    head = head_of(raw)
    body = raw[4 + int.from_bytes(raw[:4], "little") :]
    if len(body) > value_bytes:
        raise ValueError("the interpreter's reply makes no sense")
    return reply_of(head, body)


def head_of(raw: bytes) -> dict[str, Any]:
    """Return the header of a reply.

    Raises:
        ValueError: It has none.
    """
    size = int.from_bytes(raw[:4], "little")
    if len(raw) < 4 or size > min(MESSAGE_BYTES, len(raw) - 4):
        raise ValueError("the interpreter's reply makes no sense")
    try:
        head = _json(raw[4 : 4 + size])
    except _TooLongError:
        raise ValueError("the interpreter's reply makes no sense") from None
    if not isinstance(head, dict):
        raise ValueError("the interpreter's reply makes no sense")
    return head


def reply_of(head: Mapping[str, Any], body: bytes) -> Reply:
    """Read a reply of which the header has been read.

    Raises:
        ValueError: As in `decode_reply`.
    """
    code = head.get("exit_code")
    if head.get("broken") or not isinstance(code, int) or not 0 <= code <= 255:
        raise ValueError("the program left the interpreter broken")
    return Reply(
        exit_code=int(code),
        value=value_of(body) if body else None,
        error=_error(head.get("error")),
        denials=_denials(head.get("denials")),
    )


class _TooLongError(Exception):
    """An integer with more digits than Python reads."""


def value_of(raw: bytes) -> Any:  # noqa: ANN401 - JSON is of any type
    """Return a value.

    Raises:
        ValueError: It is no JSON, or one that no program of ours writes.
    """
    try:
        return _json(raw)
    except _TooLongError:
        return None  # sound JSON, and nothing that this Python can hold: as a value that has no JSON form


def _json(raw: bytes) -> Any:  # noqa: ANN401 - JSON is of any type
    try:
        return _decoder.decode(raw.decode())
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


_decoder: Final = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite, parse_int=_integer)


def _error(said: object) -> GuestError | None:
    if said is None:
        return None
    if not isinstance(said, list) or len(said) != 3 or not all(isinstance(part, str) for part in said):
        raise ValueError("the interpreter's reply makes no sense")
    return GuestError(type=encodable(said[0]), message=encodable(said[1]), traceback=encodable(said[2]))


def _denials(said: object) -> tuple[Denial, ...]:
    found: list[Denial] = []
    for item in said if isinstance(said, list) else ():
        if len(found) < MAX_DENIALS and isinstance(item, list) and len(item) == 2:
            kind, target = item
            if isinstance(kind, str) and kind in DENIAL_KINDS and isinstance(target, str):
                found.append(Denial(kind=kind, target=encodable(target)))
    return tuple(found)


def encodable(said: str) -> str:
    """Lone surrogates cannot be printed or encoded: replace them."""
    return said.encode("utf-8", "replace").decode()
