"""Files of the cache that vouch for themselves: content with a description that holds its size, time and digest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wasihost.engine.mapping import Layout, OutputBuffer
from wasihost.runtime.cache import checked_file

if TYPE_CHECKING:
    from wasihost.runtime.cache import Cache


def publish(
    cache: Cache, folder: Path, kind: str, content: bytes, about: dict[str, Any], *, more: dict[str, bytes]
) -> None:
    """Put content and its description into the cache, whole or not at all, replacing what was there.

    Raises:
        CacheError: It cannot be stored.
    """
    import hashlib  # it loads OpenSSL, which most runs do without

    cache.require_room(len(content) + sum(map(len, more.values())), folder.name)
    with cache.temporary_folder() as work:
        staged = work / "staged"
        staged.mkdir(mode=0o700)
        for name, data in {f"{kind}.bin": content, **more}.items():
            cache.write_file(staged / name, data, needed_bytes=len(data))
        found = (staged / f"{kind}.bin").stat()
        marks = {
            "sha256": hashlib.sha256(content).hexdigest(),
            "size_bytes": found.st_size,
            "mtime_ns": found.st_mtime_ns,
        }
        cache.write_file(staged / f"{kind}.json", json.dumps({**about, "file": marks}).encode())
        cache.publish_folder(staged, folder)


def sound(folder: Path, kind: str) -> dict[str, Any] | None:
    """Return the description of a cached file if the file is what was written, else None.

    Owner and mode are checked at every use. Size and time tell whether the bytes may have changed since; only then are
    all of them read and compared with the digest, because that costs more than a run.

    Raises:
        UntrustedCacheError: Somebody else may have written the file.
    """
    try:
        about = json.loads(checked_file(folder / f"{kind}.json").read_bytes())
        marks = about["file"]
        content = checked_file(folder / f"{kind}.bin")
        found = content.stat()
        if found.st_size != marks["size_bytes"]:
            return None
        if found.st_mtime_ns != marks["mtime_ns"]:
            import hashlib  # as in `publish`

            digest = hashlib.sha256(content.read_bytes()).hexdigest()
            if digest != marks["sha256"]:
                return None
        return dict(about)
    except (FileNotFoundError, KeyError, TypeError, ValueError):
        return None


def short(identity: str) -> str:
    """Return sixteen hex digits that stand for a text."""
    import hashlib  # as in `publish`

    return hashlib.sha256(identity.encode()).hexdigest()[:16]


def stored_layout(layout: Layout) -> dict[str, Any]:
    """Return a layout as it is written into a description."""
    return layout._asdict() | {"output": layout.output._asdict() if layout.output is not None else None}


def layout_of(stored: dict[str, Any]) -> Layout:
    """Read what `stored_layout` returned.

    Raises:
        KeyError: Something is missing. TypeError, ValueError: something is of another type.
    """
    output = stored["output"]
    slots = stored["slots"]
    if not isinstance(slots, list):
        raise TypeError("slots")
    return Layout(
        memory_bytes=_integer(stored["memory_bytes"]),
        entry=_integer(stored["entry"]),
        entry_index=_integer(stored["entry_index"]),
        mailbox=_integer(stored["mailbox"]),
        slots=tuple(_integer(slot) for slot in slots),
        slot_bytes=_integer(stored["slot_bytes"]),
        globals=tuple((_text(name), _text(kind), _integer(value)) for name, kind, value in stored["globals"]),
        output=OutputBuffer(**{name: _integer(place) for name, place in output.items()})
        if output is not None
        else None,
        random=None if stored["random"] is None else _integer(stored["random"]),
    )


def _integer(stored: object) -> int:
    if type(stored) is not int:  # the engine computes with it
        raise TypeError(f"{stored!r} is no whole number")
    return stored


def _text(stored: object) -> str:
    if not isinstance(stored, str):
        raise TypeError(f"{stored!r} is no text")
    return stored
