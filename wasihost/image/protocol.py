"""The language of host and harness: what a request says, and what may be believed of a reply."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final, NamedTuple

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
        said: dict[str, object] = {
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
        more = f', "inputs": {self.inputs}' if self.inputs != "{}" else ""
        if self.functions:
            more += f', "functions": {self.functions}'
        if self.plugin:
            more += f', "plugin": {self.plugin}'
        head = f"{json.dumps(said)[:-1]}{more}}}".encode()
        return len(head).to_bytes(4, "little") + head + self.source


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRequest:
    """A turn of a session, or a question about it.

    Attributes:
        kind: "turn"; "plugin turn" (a call of a plugin's function); "complete" (names for what is being written) or
            "status" (whether it is whole).
        source: The code.
        name: File name in tracebacks.
        inputs: As in `Request`.
        stdin: Standard input.
        start: (argv, environment) of the first turn, else None.
        renew: Whether random numbers begin anew: another session has the same state.
        files: What the harness said of open files, which it opens again if they did not come along.
        grants: As in `Request`; said in the first turn, and in the first one in another sandbox or fork.
        stream: As in `Request`.
        value_bytes: Likewise.
        display_bytes: Longest text of all that is shown.
        displays: How many things may be shown.
        figures: Formats that figures are drawn in.
        cursor: Where in the code names are wanted, in characters.
        functions: As in `Request`; said when the grants are.
        plugin: As in `Request`, for a "plugin turn".
    """

    kind: str
    source: bytes
    name: str
    inputs: str
    stdin: bytes
    start: tuple[Sequence[str], Mapping[str, str]] | None
    renew: bool
    files: Sequence[OpenFile]
    grants: Sequence[tuple[str, bool]]
    stream: bool
    value_bytes: int
    display_bytes: int
    displays: int
    figures: Sequence[str]
    cursor: int = 0
    functions: str = ""
    plugin: str = ""

    def encode(self) -> bytes:
        """Return the bytes that the harness reads."""
        said: dict[str, object] = {
            "kind": self.kind,
            "name": self.name,
            "value_bytes": self.value_bytes,
            "display_bytes": self.display_bytes,
            "displays": self.displays,
            "figures": list(self.figures),
        }
        # Most turns are short, and what is not said costs nothing.
        if self.stdin:
            said["stdin"] = self.stdin.decode("latin-1")
        if self.stream:
            said["stream"] = True
        if self.files:
            said["files"] = [list(file) for file in self.files]
        if self.kind == "complete":
            said["cursor"] = self.cursor
        if self.renew:
            said["renew"] = True
        if self.start is not None:
            said["start"] = {"argv": list(self.start[0]), "env": dict(self.start[1]), "path": ""}
        if self.renew or self.start is not None:
            said["grants"] = [list(grant) for grant in self.grants]
        more = f', "functions": {self.functions}' if self.functions and "grants" in said else ""
        if self.plugin:
            more += f', "plugin": {self.plugin}'
        head = f'{json.dumps(said)[:-1]}, "inputs": {self.inputs}{more}}}'.encode()
        return len(head).to_bytes(4, "little") + head + self.source


class OpenFile(NamedTuple):
    """A file that a guest holds open, as it says itself.

    Attributes:
        number: Its descriptor.
        path: Guest path.
        mode: As `io.FileIO.mode`.
        offset: Where it goes on.
    """

    number: int
    path: str
    mode: str
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnReply:
    """What the harness says of a turn. All of it is the guest's word, in checked types and bounded sizes."""

    reply: Reply
    text: str | None
    displays: tuple[Mapping[str, Any], ...]
    displays_omitted: int
    lost: tuple[str, ...]


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
        failed=encodable(failed) if isinstance(failed, str) else "",
        imported=tuple(encodable(name) for name in imported if isinstance(name, str))
        if isinstance(imported, list)
        else (),
        entropy=tuple(
            (encodable(note[0]), note[1])
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
    head = _head(raw)
    body = raw[4 + int.from_bytes(raw[:4], "little") :]
    if len(body) > value_bytes:
        raise ValueError("the interpreter's reply makes no sense")
    return _reply(head, body)


def _head(raw: bytes) -> dict[str, Any]:
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


def _reply(head: Mapping[str, Any], body: bytes) -> Reply:
    code = head.get("exit_code")
    if head.get("broken") or not isinstance(code, int) or not 0 <= code <= 255:
        raise ValueError("the program left the interpreter broken")
    return Reply(
        exit_code=int(code),
        value=_value(body) if body else None,
        error=_error(head.get("error")),
        denials=_denials(head.get("denials")),
    )


MAX_TEXT_CHARACTERS: Final = 300 * 1024
MAX_DISPLAYS: Final = 100
"""Things that one turn can show."""
MAX_OPEN_FILES_TOLD: Final = 1000
BINARY_TYPES: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf"})
"""Types of which a bundle holds bytes."""


def decode_turn_reply(raw: bytes, *, value_bytes: int, display_bytes: int) -> TurnReply:
    """Read a reply to a `TurnRequest`, believing nothing about it.

    Raises:
        ValueError: It is not a reply; the interpreter inside is broken or lies.
    """
    size = int.from_bytes(raw[:4], "little")
    body = raw[4 + size :]
    head = _head(raw)
    reply = _reply(head, b"")
    length, text, omitted = head.get("value"), head.get("text"), head.get("displays_omitted", 0)
    if type(length) is not int or not 0 <= length <= min(len(body), value_bytes):
        raise ValueError("the interpreter's reply makes no sense")
    if len(body) - length > display_bytes + 4 * MAX_DISPLAYS:
        raise ValueError("the interpreter's reply makes no sense")
    if type(omitted) is not int or omitted < 0 or not isinstance(text, str | None):
        raise ValueError("the interpreter's reply makes no sense")
    value = _value(body[:length]) if length else None
    lost = head.get("lost")
    return TurnReply(
        reply=replace(reply, value=value),
        text=None if text is None else encodable(text[:MAX_TEXT_CHARACTERS]),
        displays=_displays(body[length:]),
        displays_omitted=omitted,
        lost=tuple(encodable(path[:4096]) for path in lost[:MAX_OPEN_FILES_TOLD] if isinstance(path, str))
        if isinstance(lost, list)
        else (),
    )


def _displays(raw: bytes) -> tuple[Mapping[str, Any], ...]:
    said = _value(raw) if raw else []
    if not isinstance(said, list) or len(said) > MAX_DISPLAYS:
        raise ValueError("the interpreter's reply makes no sense")
    return tuple(MappingProxyType(_bundle(bundle)) for bundle in said)


def _bundle(said: object) -> dict[str, Any]:
    if not isinstance(said, dict):
        raise ValueError("the interpreter's reply makes no sense")
    bundle: dict[str, Any] = {}
    for mime, data in said.items():
        if mime in BINARY_TYPES:
            try:
                bundle[mime] = base64.b64decode(data, validate=True)
            except (TypeError, ValueError):
                continue
        elif mime == "application/json" or (mime.startswith("application/") and mime.endswith("+json")):
            bundle[encodable(mime)] = data
        elif isinstance(data, str):
            bundle[encodable(mime)] = encodable(data)
    return bundle


def decode_files(raw: bytes) -> tuple[OpenFile, ...]:
    """Read what the harness says of open files; what makes no sense is left out."""
    try:
        head = _head(raw)
    except ValueError:
        return ()
    return read_files(head.get("files"))


def read_files(said: object) -> tuple[OpenFile, ...]:
    """Likewise, from a JSON value."""
    found = []
    for file in said[:MAX_OPEN_FILES_TOLD] if isinstance(said, list) else ():
        if isinstance(file, list) and len(file) == 4:
            number, path, mode, offset = file
            if not isinstance(path, str) or not isinstance(mode, str) or len(path) > 4096 or len(mode) > 8:
                continue
            if type(number) is int and type(offset) is int and 0 <= number < 2**31 and 0 <= offset < 2**63:
                found.append(OpenFile(number, encodable(path), encodable(mode), offset))
    return tuple(found)


class _TooLongError(Exception):
    """An integer with more digits than Python reads."""


def _value(raw: bytes) -> Any:  # noqa: ANN401 - JSON is of any type
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
