"""The language of host and harness for making an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from wasihost.image.protocol import encodable, framed


class ImageRequest(NamedTuple):
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
        return framed({"kind": "image", "library": self.library, "modules": list(self.modules)}, self.setup)


class ImageReply(NamedTuple):
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
