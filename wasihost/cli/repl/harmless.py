"""What a guest prints, as it may stand on a terminal at which somebody types commands for the host.

A terminal answers some control sequences as if the answer had been typed, takes others as orders (the clipboard, the
title), and can be told to hide what is on it. Colours and movements of the cursor do none of that.
"""

from __future__ import annotations

import codecs
import re
from typing import Final

_PARAMETERS: Final = r"[0-9;]{0,60}"
_ALLOWED: Final = rf"\x1b\[{_PARAMETERS}[A-HJKSTdfm]"
"""Cursor up, down, right, left, to lines, columns and places; erase; scroll; colours."""
_TOKEN: Final = re.compile(rf"({_ALLOWED})|[\x00-\x06\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_UNFINISHED: Final = re.compile(rf"\x1b(\[{_PARAMETERS})?\Z")


def harmless(text: str) -> str:
    """Return a text in which control characters are spelled, but for colours, movements, and the ends of lines."""
    return _TOKEN.sub(_spelled, text)


class Harmless:
    """One stream of a guest, made harmless piece by piece."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        self._held = ""

    def feed(self, data: bytes) -> bytes:
        """Return what may be shown by now; the beginning of a sequence waits for its end."""
        text = self._held + self._decoder.decode(data)
        unfinished = _UNFINISHED.search(text)
        place = len(text) if unfinished is None else unfinished.start()
        self._held = text[place:]
        return harmless(text[:place]).encode("utf-8", "backslashreplace")

    def end(self) -> bytes:
        """Return what is left when nothing follows."""
        text = self._held + self._decoder.decode(b"", final=True)
        self._held = ""
        self._decoder.reset()
        return harmless(text).encode("utf-8", "backslashreplace")


def _spelled(found: re.Match[str]) -> str:
    if found.group(1):
        return found.group(1)
    code = ord(found.group())
    return f"^{chr(code ^ 64)}" if code < 128 else repr(chr(code))[1:-1]
