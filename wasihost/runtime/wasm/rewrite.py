"""From a stock build to one that can be frozen, mapped and cut into slices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from wasihost.runtime.wasm.bodies import EMPTY, KEEP, TRAP, constructors, rewrite_bodies
from wasihost.runtime.wasm.constants import FunctionReference
from wasihost.runtime.wasm.elements import patch, read_elements, removable_functions, rewrite_elements
from wasihost.runtime.wasm.errors import WasmFormatError
from wasihost.runtime.wasm.genesis import read_genesis
from wasihost.runtime.wasm.hooks import HOOK_GLOBALS, build_hooks, find_imports
from wasihost.runtime.wasm.leb import encode_signed, encode_unsigned, read_unsigned
from wasihost.runtime.wasm.listing import larger_listings
from wasihost.runtime.wasm.reader import (
    FUNCTION_KIND,
    GLOBAL_KIND,
    KINDS,
    MEMORY_KIND,
    TABLE_KIND,
    Export,
    Global,
    Import,
    Table,
    read_exports,
    read_function_types,
    read_globals,
    read_imports,
    read_memories,
    read_start,
    read_tables,
    read_types,
)
from wasihost.runtime.wasm.sections import (
    CODE,
    DATA,
    DATA_COUNT,
    ELEMENT,
    EXPORT,
    FUNCTION,
    GLOBAL,
    HEADER,
    SECTION_ORDER,
    START,
    TABLE,
    Chunk,
    ModuleSections,
    emit_section,
)
from wasihost.runtime.wasm.tables import table_is_fixed
from wasihost.runtime.wasm.values import NUMBER_TYPES, FunctionType, ResizableLimits

EXPORT_PREFIX: Final = "wasihost:"
TABLE_EXPORT: Final = "wasihost:table"
GLOBAL_EXPORT_PREFIX: Final = "wasihost:global:"
START_EXPORT: Final = "wasihost:start"

MAX_MEMORY_PAGES: Final = 65536
_PAGE_BYTES: Final = 65536
_PROCEDURE: Final = FunctionType(params=(), results=())


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedGlobal:
    """A mutable global that belongs to the state of a started interpreter.

    Attributes:
        export: The name that the rewritten module exports it under.
        type: "i32", "i64", "f32" or "f64".
    """

    export: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewritten:
    """A rewritten build.

    Attributes:
        code: The module to compile; it has no data.
        genesis: What linear memory holds at first, trailing zeros cut.
        memory_pages: The size that memory starts with, in pages of 64 KiB.
        saved_globals: Every mutable global, the added ones at the end.
        start_export: The export to call right after `genesis` is in place, if the build had a start function.
        functions_kept: Functions of the build whose bodies are still there.
        functions_stubbed: Functions of the build whose bodies trap now, or do nothing.
        calls_redirected: Uses of imported functions (`fd_write`, `path_open`, ...) that go through the added ones now.
        table_is_fixed: Whether no instruction that is still there can change the function table.
        lists_fast: Whether the function was found that opens folders, and asks for more names at a time now.
    """

    code: bytes
    genesis: bytes
    memory_pages: int
    saved_globals: tuple[SavedGlobal, ...]
    start_export: str | None
    functions_kept: int
    functions_stubbed: int
    calls_redirected: int
    table_is_fixed: bool
    lists_fast: bool


def rewrite(module: bytes, *, keep: Sequence[tuple[int, int]] | None = None) -> Rewritten:
    """Rewrite a stock CPython-WASI build.

    Custom sections and data are taken out, the table and all mutable globals are exported, functions outside the
    slice trap (constructors called at start-up do nothing instead), and output and whatever opens or stores go through
    small added functions. Everything else stays as it is, byte by byte.

    Args:
        module: A WebAssembly core module.
        keep: The slice: inclusive ranges of function indices, imported functions counted; None keeps all.

    Raises:
        WasmFormatError: The module is malformed, or not of the kind that this works for.
        ValueError: A range of `keep` is reversed or negative.
    """
    sections = ModuleSections(module)
    types = read_types(sections)
    imports = read_imports(sections)
    _check_imports(imports)
    table = _only_table(read_tables(sections))
    memory = _only_memory(read_memories(sections))
    own_globals = read_globals(sections)
    _check_globals(own_globals)
    _check_exports(read_exports(sections))
    start = read_start(sections)

    own_types = read_function_types(sections)
    functions = len(imports) + len(own_types)
    _check_type_indices(imports, own_types, types)
    hooks = build_hooks(find_imports(imports, types), len(own_globals))
    redirect = {old: functions + place for place, hook in enumerate(hooks) for old in hook.replaces}

    fates = _fates(sections, types, own_types, len(imports), keep)
    stubbed = bytearray(len(imports)) + bytearray(fate == TRAP for fate in fates)
    segments = read_elements(sections, table.type.limits.minimum)
    # An entry left out of a table that starts out filled would not be null.
    removable = removable_functions(segments, stubbed) if table.initial is None else set()
    listings = larger_listings(sections, imports)
    bodies = rewrite_bodies(
        sections,
        fates=fates,
        redirect=redirect,
        append=[hook.body for hook in hooks],
        undeclared=removable,
        changed={number: body for number, body in listings.items() if fates[number] == KEEP},
    )
    elements = rewrite_elements(module, segments, remove=removable, redirect=redirect, declare=sorted(bodies.declare))
    genesis = read_genesis(sections, memory.minimum * _PAGE_BYTES)

    saved = [
        SavedGlobal(export=f"{GLOBAL_EXPORT_PREFIX}{index}", type=item.type.value)
        for index, item in enumerate(own_globals)
        if item.type.mutable
    ]
    saved += [SavedGlobal(export=added.export, type=added.type) for added in HOOK_GLOBALS]
    constants = [item.initial for item in own_globals] + ([table.initial] if table.initial else [])
    initial = [reference for constant in constants for reference in constant.references]
    replaced: dict[int, list[Chunk]] = {
        FUNCTION: _extended(sections, FUNCTION, [encode_unsigned(hook.type) for hook in hooks]),
        GLOBAL: _globals_payload(sections, own_globals, redirect),
        EXPORT: _extended(sections, EXPORT, _added_exports(own_globals, start)),
        CODE: bodies.chunks,
    }
    if table.initial is not None:
        replaced[TABLE] = _patched(sections, TABLE, table.initial.references, redirect)
    if segments or bodies.declare:
        replaced[ELEMENT] = elements.chunks
    kept = fates.count(KEEP)
    code = _emit(sections, replaced)
    return Rewritten(
        code=code,
        genesis=genesis,
        memory_pages=memory.minimum,
        saved_globals=tuple(saved),
        start_export=None if start is None else START_EXPORT,
        functions_kept=kept,
        functions_stubbed=len(fates) - kept,
        calls_redirected=bodies.redirected + elements.redirected + sum(item.function in redirect for item in initial),
        table_is_fixed=table_is_fixed(code),
        lists_fast=bool(bodies.changed),
    )


def _check_imports(imports: Sequence[Import]) -> None:
    for entry in imports:
        if entry.kind != FUNCTION_KIND:
            raise WasmFormatError(
                f"the build imports the {KINDS[entry.kind]} {entry.module}.{entry.name};"
                " wasihost can only use a build that imports nothing but functions",
                entry.offset,
            )


def _only_table(tables: Sequence[Table]) -> Table:
    if len(tables) != 1:
        raise WasmFormatError(f"the build defines {len(tables)} tables, where wasihost needs exactly one")
    table = tables[0]
    if table.type.element != "funcref":
        raise WasmFormatError(f"the build's table holds {table.type.element}, where wasihost needs funcref")
    if table.type.limits.address_bits != 32 or table.type.limits.shared:
        raise WasmFormatError("the build's table is shared or has 64-bit indices, which is not supported")
    return table


def _only_memory(memories: Sequence[ResizableLimits]) -> ResizableLimits:
    if len(memories) != 1:
        raise WasmFormatError(f"the build defines {len(memories)} memories, where wasihost needs exactly one")
    memory = memories[0]
    if memory.shared:
        raise WasmFormatError("the build's memory is shared between threads, which cannot be frozen")
    if memory.address_bits != 32 or memory.page_bytes != _PAGE_BYTES:
        raise WasmFormatError("the build's memory has 64-bit addresses or unusual pages, which is not supported")
    if memory.minimum > MAX_MEMORY_PAGES:
        raise WasmFormatError(f"the build's memory starts with {memory.minimum} pages; 65536 is the most there can be")
    return memory


def _check_globals(own_globals: Sequence[Global]) -> None:
    for index, item in enumerate(own_globals):
        if item.type.mutable and item.type.value not in NUMBER_TYPES.values():
            raise WasmFormatError(f"global {index} is a mutable {item.type.value}, which cannot be saved and restored")


def _check_exports(exports: Sequence[Export]) -> None:
    for entry in exports:
        if entry.name.startswith(EXPORT_PREFIX):
            raise WasmFormatError(
                f"the build already exports {entry.name!r}: it was rewritten before, or misuses the name", entry.offset
            )
    if not any(entry.name == "memory" and entry.kind == MEMORY_KIND and entry.index == 0 for entry in exports):
        raise WasmFormatError("the build does not export its memory as 'memory'")


def _check_type_indices(imports: Sequence[Import], own_types: Sequence[int], types: Sequence[FunctionType]) -> None:
    used = [*own_types, *(entry.type for entry in imports if isinstance(entry.type, int))]
    largest = max(used, default=-1)
    if largest >= len(types):
        raise WasmFormatError(f"a function has type {largest}, but there are only {len(types)} types")


def _fates(
    sections: ModuleSections,
    types: Sequence[FunctionType],
    own_types: Sequence[int],
    imported: int,
    keep: Sequence[tuple[int, int]] | None,
) -> bytearray:
    """What becomes of each defined function."""
    if keep is None:
        return bytearray([KEEP]) * len(own_types)
    fates = bytearray([TRAP]) * len(own_types)
    for first, last in keep:
        if first < 0 or last < first:
            raise ValueError(f"keep has the range ({first}, {last}), which is no range of function indices")
        low, high = max(first - imported, 0), min(last - imported + 1, len(own_types))
        if low < high:
            fates[low:high] = bytes([KEEP]) * (high - low)
    for function in constructors(sections, imported):
        own = function - imported
        if own < len(fates) and fates[own] == TRAP and types[own_types[own]] == _PROCEDURE:
            fates[own] = EMPTY
    return fates


def _extended(sections: ModuleSections, section_id: int, additions: Sequence[bytes]) -> list[Chunk]:
    """The payload of a section that is a vector, with items added at its end."""
    section = sections.get(section_id)
    if section is None:
        return [encode_unsigned(len(additions)), *additions]
    count, items = read_unsigned(sections.module, section.start, section.end)
    return [encode_unsigned(count + len(additions)), memoryview(sections.module)[items : section.end], *additions]


def _patched(
    sections: ModuleSections, section_id: int, references: Sequence[FunctionReference], redirect: dict[int, int]
) -> list[Chunk]:
    section = sections.get(section_id)
    if section is None:
        return []
    return patch(memoryview(sections.module), section.start, section.end, references, redirect)


def _globals_payload(sections: ModuleSections, own_globals: Sequence[Global], redirect: dict[int, int]) -> list[Chunk]:
    heads = {"i32": b"\x7f\x01\x41", "i64": b"\x7e\x01\x42"}  # type, mutable, and the constant of that type
    added = [heads[added.type] + encode_signed(added.value) + b"\x0b" for added in HOOK_GLOBALS]
    head = encode_unsigned(len(own_globals) + len(added))
    section = sections.get(GLOBAL)
    if section is None:
        return [head, *added]
    _, items = read_unsigned(sections.module, section.start, section.end)
    references = [reference for item in own_globals for reference in item.initial.references]
    return [head, *patch(memoryview(sections.module), items, section.end, references, redirect), *added]


def _added_exports(own_globals: Sequence[Global], start: int | None) -> list[bytes]:
    exports = [_export(TABLE_EXPORT, TABLE_KIND, 0)]
    for index, item in enumerate(own_globals):
        if item.type.mutable:
            exports.append(_export(f"{GLOBAL_EXPORT_PREFIX}{index}", GLOBAL_KIND, index))
    for place, added in enumerate(HOOK_GLOBALS):
        exports.append(_export(added.export, GLOBAL_KIND, len(own_globals) + place))
    if start is not None:
        exports.append(_export(START_EXPORT, FUNCTION_KIND, start))
    return exports


def _export(name: str, kind: int, index: int) -> bytes:
    raw = name.encode()
    return encode_unsigned(len(raw)) + raw + bytes([kind]) + encode_unsigned(index)


def _emit(sections: ModuleSections, replaced: dict[int, list[Chunk]]) -> bytes:
    chunks: list[Chunk] = [HEADER]
    for section_id in SECTION_ORDER:
        if section_id in replaced:
            chunks += emit_section(section_id, replaced[section_id])
        elif section_id in sections and section_id not in (START, DATA, DATA_COUNT):
            chunks += emit_section(section_id, [sections.payload(section_id)])
    return b"".join(chunks)
