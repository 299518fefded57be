"""What a module imports, defines and exports: one function for each of the small sections.

Every function returns an empty result when the module lacks the section. Code and data have modules of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from wasihost.runtime.wasm.constants import ConstantExpression, read_constant
from wasihost.runtime.wasm.cursor import Cursor
from wasihost.runtime.wasm.errors import WasmFormatError
from wasihost.runtime.wasm.sections import (
    EXPORT,
    FUNCTION,
    GLOBAL,
    IMPORT,
    MEMORY,
    SECTION_NAMES,
    START,
    TABLE,
    TAG,
    TYPE,
    ModuleSections,
)
from wasihost.runtime.wasm.values import (
    FunctionType,
    GlobalType,
    ResizableLimits,
    TableType,
    read_function_type,
    read_global_type,
    read_limits,
    read_table_type,
)

KINDS: Final = ("function", "table", "memory", "global", "tag")
"""What can be imported and exported, by the number that the format gives it."""

FUNCTION_KIND, TABLE_KIND, MEMORY_KIND, GLOBAL_KIND, TAG_KIND = range(5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """One import; for a function or tag `type` is an index into the type section."""

    module: str
    name: str
    kind: int
    type: int | TableType | ResizableLimits | GlobalType
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """One export; `index` counts things of its kind, imported ones first."""

    name: str
    kind: int
    index: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table that the module defines, with the expression that fills it, if there is one."""

    type: TableType
    initial: ConstantExpression | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Global:
    """A global that the module defines."""

    type: GlobalType
    initial: ConstantExpression


def read_types(sections: ModuleSections) -> list[FunctionType]:
    """The type section."""
    cursor = sections.cursor(TYPE)
    if cursor is None:
        return []
    types = [read_function_type(cursor) for _ in range(cursor.count("types"))]
    cursor.finish(SECTION_NAMES[TYPE])
    return types


def read_imports(sections: ModuleSections) -> list[Import]:
    """The import section."""
    cursor = sections.cursor(IMPORT)
    if cursor is None:
        return []
    imports = [_read_import(cursor) for _ in range(cursor.count("imports"))]
    cursor.finish(SECTION_NAMES[IMPORT])
    return imports


def read_function_types(sections: ModuleSections) -> list[int]:
    """The type indices of the functions that the module defines."""
    cursor = sections.cursor(FUNCTION)
    if cursor is None:
        return []
    indices = [cursor.unsigned() for _ in range(cursor.count("functions"))]
    cursor.finish(SECTION_NAMES[FUNCTION])
    return indices


def read_tables(sections: ModuleSections) -> list[Table]:
    """The table section."""
    cursor = sections.cursor(TABLE)
    if cursor is None:
        return []
    tables = [_read_table(cursor) for _ in range(cursor.count("tables"))]
    cursor.finish(SECTION_NAMES[TABLE])
    return tables


def read_memories(sections: ModuleSections) -> list[ResizableLimits]:
    """The memory section."""
    cursor = sections.cursor(MEMORY)
    if cursor is None:
        return []
    memories = [read_limits(cursor) for _ in range(cursor.count("memories"))]
    cursor.finish(SECTION_NAMES[MEMORY])
    return memories


def read_tags(sections: ModuleSections) -> list[int]:
    """The type indices of the exception tags that the module defines."""
    cursor = sections.cursor(TAG)
    if cursor is None:
        return []
    tags = [_read_tag_type(cursor) for _ in range(cursor.count("tags"))]
    cursor.finish(SECTION_NAMES[TAG])
    return tags


def read_globals(sections: ModuleSections) -> list[Global]:
    """The global section."""
    cursor = sections.cursor(GLOBAL)
    if cursor is None:
        return []
    found = [
        Global(type=read_global_type(cursor), initial=read_constant(cursor)) for _ in range(cursor.count("globals"))
    ]
    cursor.finish(SECTION_NAMES[GLOBAL])
    return found


def read_exports(sections: ModuleSections) -> list[Export]:
    """The export section."""
    cursor = sections.cursor(EXPORT)
    if cursor is None:
        return []
    exports = []
    for _ in range(cursor.count("exports")):
        offset = cursor.pos
        name = cursor.name()
        exports.append(Export(name=name, kind=_read_kind(cursor), index=cursor.unsigned(), offset=offset))
    cursor.finish(SECTION_NAMES[EXPORT])
    return exports


def read_start(sections: ModuleSections) -> int | None:
    """The function that runs at instantiation, if there is one."""
    cursor = sections.cursor(START)
    if cursor is None:
        return None
    index = cursor.unsigned()
    cursor.finish(SECTION_NAMES[START])
    return index


def _read_kind(cursor: Cursor) -> int:
    at = cursor.pos
    kind = cursor.byte()
    if kind >= len(KINDS):
        raise WasmFormatError(f"kind {kind} of an import or export is unknown", at)
    return kind


def _read_import(cursor: Cursor) -> Import:
    offset = cursor.pos
    module, name = cursor.name(), cursor.name()
    kind = _read_kind(cursor)
    described: int | TableType | ResizableLimits | GlobalType
    if kind == FUNCTION_KIND:
        described = cursor.unsigned()
    elif kind == TABLE_KIND:
        described = read_table_type(cursor)
    elif kind == MEMORY_KIND:
        described = read_limits(cursor)
    elif kind == GLOBAL_KIND:
        described = read_global_type(cursor)
    else:
        described = _read_tag_type(cursor)
    return Import(module=module, name=name, kind=kind, type=described, offset=offset)


def _read_tag_type(cursor: Cursor) -> int:
    at = cursor.pos
    attribute = cursor.byte()
    if attribute != 0:
        raise WasmFormatError(f"tag attribute {attribute} is unknown", at)
    return cursor.unsigned()


def _read_table(cursor: Cursor) -> Table:
    if cursor.remaining >= 2 and cursor.data[cursor.pos : cursor.pos + 2] == b"\x40\x00":
        cursor.skip(2)
        return Table(type=read_table_type(cursor), initial=read_constant(cursor))
    return Table(type=read_table_type(cursor), initial=None)
