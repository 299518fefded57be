"""A cheap look at a module: enough to tell what kind of build it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from wasihost.runtime.wasm import reader
from wasihost.runtime.wasm.cursor import Cursor
from wasihost.runtime.wasm.errors import WasmFormatError
from wasihost.runtime.wasm.sections import START, ModuleSections
from wasihost.runtime.wasm.values import FunctionType, ResizableLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleImport:
    """One import.

    Attributes:
        module: The namespace, such as "wasi_snapshot_preview1".
        name: The name within it.
        kind: "function", "table", "memory", "global" or "tag".
        type: Its type in words, such as "(i32, i32) -> (i32)", "funcref 10..", "160..", "mut i32".
    """

    module: str
    name: str
    kind: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleExport:
    """One export; `kind` and `type` are as in `ModuleImport`."""

    name: str
    kind: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a module shows from outside.

    Attributes:
        imports: All imports, in order.
        exports: All exports, in order.
        memory_pages_min: The size that memory 0 starts with, in pages of 64 KiB; None without a memory.
        memory_pages_max: The size that it may grow to; None when the module does not say.
        table_count: Tables, imported ones included.
        has_start: Whether a function runs at instantiation.
        custom_sections: The names of the custom sections, in order.
    """

    imports: tuple[ModuleImport, ...]
    exports: tuple[ModuleExport, ...]
    memory_pages_min: int | None
    memory_pages_max: int | None
    table_count: int
    has_start: bool
    custom_sections: tuple[str, ...]


def summarize(module: bytes) -> Summary:
    """Look at a module without reading its code, data and element segments.

    It accepts more than `rewrite` does, so that a build that cannot be used can still be described.

    Args:
        module: A WebAssembly core module.

    Raises:
        WasmFormatError: The module is malformed.
    """
    sections = ModuleSections(module)
    types = reader.read_types(sections)
    imports = reader.read_imports(sections)
    spaces = _index_spaces(sections, imports)
    memories = spaces[reader.MEMORY_KIND]
    memory = memories[0] if memories else None
    limits = memory if isinstance(memory, ResizableLimits) else None
    return Summary(
        imports=tuple(
            ModuleImport(
                module=entry.module,
                name=entry.name,
                kind=reader.KINDS[entry.kind],
                type=_describe(entry.kind, entry.type, types, entry.offset),
            )
            for entry in imports
        ),
        exports=tuple(_summarize_export(entry, spaces, types) for entry in reader.read_exports(sections)),
        memory_pages_min=None if limits is None else limits.minimum,
        memory_pages_max=None if limits is None else limits.maximum,
        table_count=len(spaces[reader.TABLE_KIND]),
        has_start=START in sections,
        custom_sections=tuple(Cursor(module, section.start, section.end).name() for section in sections.custom),
    )


def _index_spaces(sections: ModuleSections, imports: Sequence[reader.Import]) -> list[list[object]]:
    """For each kind the types of all things of it, imported ones first."""
    own: dict[int, Callable[[], Sequence[object]]] = {
        reader.FUNCTION_KIND: lambda: reader.read_function_types(sections),
        reader.TABLE_KIND: lambda: [table.type for table in reader.read_tables(sections)],
        reader.MEMORY_KIND: lambda: reader.read_memories(sections),
        reader.GLOBAL_KIND: lambda: [item.type for item in reader.read_globals(sections)],
        reader.TAG_KIND: lambda: reader.read_tags(sections),
    }
    return [[entry.type for entry in imports if entry.kind == kind] + list(read()) for kind, read in own.items()]


def _summarize_export(
    entry: reader.Export, spaces: Sequence[Sequence[object]], types: Sequence[FunctionType]
) -> ModuleExport:
    space = spaces[entry.kind]
    kind = reader.KINDS[entry.kind]
    if entry.index >= len(space):
        raise WasmFormatError(f"export {entry.name!r} names {kind} {entry.index} of {len(space)}", entry.offset)
    return ModuleExport(name=entry.name, kind=kind, type=_describe(entry.kind, space[entry.index], types, entry.offset))


def _describe(kind: int, described: object, types: Sequence[FunctionType], offset: int) -> str:
    if kind not in (reader.FUNCTION_KIND, reader.TAG_KIND) or not isinstance(described, int):
        return str(described)
    if described >= len(types):
        raise WasmFormatError(f"type {described} is used, but there are only {len(types)} types", offset)
    return str(types[described])
