"""A position in a module that never reads past its end."""

from __future__ import annotations

from wasihost.runtime.wasm.errors import WasmFormatError
from wasihost.runtime.wasm.leb import read_signed, read_unsigned


class Cursor:
    """Reads `data[pos:end]` forwards; every method raises WasmFormatError where the bytes end too early.

    Positions are offsets into the whole module, so that messages can name them.
    """

    __slots__ = ("data", "end", "pos")

    def __init__(self, data: bytes, pos: int = 0, end: int | None = None) -> None:
        self.data = data
        self.pos = pos
        self.end = len(data) if end is None else end

    @property
    def remaining(self) -> int:
        """How many bytes are left."""
        return self.end - self.pos

    def byte(self) -> int:
        """Read one byte."""
        if self.pos >= self.end:
            raise WasmFormatError("the module or section is cut off", self.pos)
        value = self.data[self.pos]
        self.pos += 1
        return value

    def unsigned(self, bits: int = 32) -> int:
        """Read an unsigned LEB128 number."""
        value, self.pos = read_unsigned(self.data, self.pos, self.end, bits)
        return value

    def signed(self, bits: int = 32) -> int:
        """Read a signed LEB128 number."""
        value, self.pos = read_signed(self.data, self.pos, self.end, bits)
        return value

    def skip(self, size: int) -> None:
        """Go `size` bytes on."""
        if size > self.end - self.pos:
            raise WasmFormatError(f"{size} bytes are announced where {self.end - self.pos} are left", self.pos)
        self.pos += size

    def count(self, what: str) -> int:
        """Read the length of a vector whose items take a byte each at least, so that it cannot exceed what is left."""
        start = self.pos
        value = self.unsigned()
        if value > self.remaining:
            raise WasmFormatError(f"{value} {what} are announced where {self.remaining} bytes are left", start)
        return value

    def name(self) -> str:
        """Read a string with its length before it."""
        start = self.pos
        size = self.unsigned()
        self.skip(size)
        try:
            return self.data[self.pos - size : self.pos].decode()
        except UnicodeDecodeError:
            raise WasmFormatError("a name is not UTF-8", start) from None

    def finish(self, what: str) -> None:
        """Check that everything was read."""
        if self.pos != self.end:
            raise WasmFormatError(f"{self.remaining} bytes too many in the {what}", self.pos)
