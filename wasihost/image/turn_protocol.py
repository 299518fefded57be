"""The language of host and harness for turns of a session, and for questions about it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from wasihost.image.protocol import Reply, encodable, framed, head_of, reply_of, value_of

MAX_TEXT_CHARACTERS: Final = 300 * 1024
MAX_DISPLAYS: Final = 100
"""Things that one turn can show."""
MAX_OPEN_FILES_TOLD: Final = 1000
BINARY_TYPES: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf"})
"""Types of which a bundle holds bytes."""


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


class TurnRequest(NamedTuple):
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
        said: dict[str, Any] = {
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
        if self.inputs != "{}":
            said["inputs"] = self.inputs
        if self.functions and "grants" in said:
            said["functions"] = self.functions
        if self.plugin:
            said["plugin"] = self.plugin
        return framed(said, self.source)


class TurnReply(NamedTuple):
    """What the harness says of a turn. All of it is the guest's word, in checked types and bounded sizes."""

    reply: Reply
    text: str | None
    displays: tuple[Mapping[str, Any], ...]
    displays_omitted: int
    lost: tuple[str, ...]


def decode_turn_reply(raw: bytes, *, value_bytes: int, display_bytes: int) -> TurnReply:
    """Read a reply to a `TurnRequest`, believing nothing about it.

    Raises:
        ValueError: It is not a reply; the interpreter inside is broken or lies.
    """
    size = int.from_bytes(raw[:4], "little")
    body = raw[4 + size :]
    head = head_of(raw)
    reply = reply_of(head, b"")
    length, text, omitted = head.get("value"), head.get("text"), head.get("displays_omitted", 0)
    if type(length) is not int or not 0 <= length <= min(len(body), value_bytes):
        raise ValueError("the interpreter's reply makes no sense")
    if len(body) - length > display_bytes + 4 * MAX_DISPLAYS:
        raise ValueError("the interpreter's reply makes no sense")
    if type(omitted) is not int or omitted < 0 or not isinstance(text, str | None):
        raise ValueError("the interpreter's reply makes no sense")
    value = value_of(body[:length]) if length else None
    lost = head.get("lost")
    return TurnReply(
        reply=reply._replace(value=value),
        text=None if text is None else encodable(text[:MAX_TEXT_CHARACTERS]),
        displays=_displays(body[length:]),
        displays_omitted=omitted,
        lost=tuple(encodable(path[:4096]) for path in lost[:MAX_OPEN_FILES_TOLD] if isinstance(path, str))
        if isinstance(lost, list)
        else (),
    )


def _displays(raw: bytes) -> tuple[Mapping[str, Any], ...]:
    said = value_of(raw) if raw else []
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
        head = head_of(raw)
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
