"""The outermost layer of the format: a header and a row of sections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from wasihost.runtime.wasm.cursor import Cursor
from wasihost.runtime.wasm.errors import WasmFormatError
from wasihost.runtime.wasm.leb import encode_unsigned

HEADER: Final = b"\0asm\1\0\0\0"

CUSTOM: Final = 0
TYPE: Final = 1
IMPORT: Final = 2
FUNCTION: Final = 3
TABLE: Final = 4
MEMORY: Final = 5
GLOBAL: Final = 6
EXPORT: Final = 7
START: Final = 8
ELEMENT: Final = 9
CODE: Final = 10
DATA: Final = 11
DATA_COUNT: Final = 12
TAG: Final = 13

SECTION_ORDER: Final = (
    TYPE, IMPORT, FUNCTION, TABLE, MEMORY, TAG, GLOBAL, EXPORT, START, ELEMENT, DATA_COUNT, CODE, DATA,
)  # fmt: skip
"""The order that the format prescribes; it is not the order of the numbers."""

SECTION_NAMES: Final = {
    CUSTOM: "custom section",
    TYPE: "type section",
    IMPORT: "import section",
    FUNCTION: "function section",
    TABLE: "table section",
    MEMORY: "memory section",
    GLOBAL: "global section",
    EXPORT: "export section",
    START: "start section",
    ELEMENT: "element section",
    CODE: "code section",
    DATA: "data section",
    DATA_COUNT: "data count section",
    TAG: "tag section",
}

Chunk = bytes | memoryview


class Section(NamedTuple):
    """Where a section's payload lies in the module, without its number and length."""

    id: int
    start: int
    end: int


class ModuleSections:
    """The sections of one module, found without looking into them.

    Raises:
        WasmFormatError: The bytes are no core module, or their sections are cut off, unknown, doubled or out of order.
    """

    __slots__ = ("_known", "custom", "module")

    def __init__(self, module: bytes) -> None:
        self.module = module
        self.custom: list[Section] = []
        self._known: dict[int, Section] = {}
        _check_header(module)
        cursor = Cursor(module, len(HEADER))
        rank = -1
        while cursor.remaining:
            at = cursor.pos
            section_id = cursor.byte()
            if section_id not in SECTION_NAMES:
                raise WasmFormatError(f"section {section_id} is unknown", at)
            size = cursor.unsigned()
            start = cursor.pos
            cursor.skip(size)
            section = Section(section_id, start, cursor.pos)
            if section_id == CUSTOM:
                self.custom.append(section)
                continue
            if SECTION_ORDER.index(section_id) <= rank:
                raise WasmFormatError(f"the {SECTION_NAMES[section_id]} is doubled or out of order", at)
            rank = SECTION_ORDER.index(section_id)
            self._known[section_id] = section

    def __contains__(self, section_id: int) -> bool:
        return section_id in self._known

    def get(self, section_id: int) -> Section | None:
        """The section of that number, if the module has it."""
        return self._known.get(section_id)

    def cursor(self, section_id: int) -> Cursor | None:
        """A cursor over the section of that number, if the module has it."""
        section = self._known.get(section_id)
        return None if section is None else Cursor(self.module, section.start, section.end)

    def payload(self, section_id: int) -> memoryview:
        """The bytes of a section that the module has, not copied."""
        section = self._known[section_id]
        return memoryview(self.module)[section.start : section.end]


def emit_section(section_id: int, chunks: Sequence[Chunk]) -> list[Chunk]:
    """Number, length and payload of a section, as pieces to be joined."""
    size = sum(len(chunk) for chunk in chunks)
    return [bytes([section_id]) + encode_unsigned(size), *chunks]


def _check_header(module: bytes) -> None:
    if module[:4] != HEADER[:4]:
        raise WasmFormatError("this is no WebAssembly module: it does not start with \\0asm", 0)
    if len(module) < len(HEADER):
        raise WasmFormatError("the module is cut off in its header", len(module))
    if module[4:8] == b"\x0d\0\1\0":
        raise WasmFormatError("this is a WebAssembly component; a core module is needed", 4)
    if module[4:8] != HEADER[4:]:
        raise WasmFormatError(f"format version {int.from_bytes(module[4:8], 'little')} is unknown", 4)
