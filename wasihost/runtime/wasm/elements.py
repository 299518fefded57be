"""Element segments: which functions the table holds, and how to leave stubbed ones out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from wasihost.runtime.wasm.constants import FunctionReference, read_constant
from wasihost.runtime.wasm.cursor import Cursor
from wasihost.runtime.wasm.errors import WasmFormatError
from wasihost.runtime.wasm.leb import encode_signed, encode_unsigned
from wasihost.runtime.wasm.sections import ELEMENT, SECTION_NAMES, Chunk, ModuleSections
from wasihost.runtime.wasm.values import read_value_type

MAX_SEGMENTS: Final = 100_000
"""The most that Wasmtime accepts."""

_PASSIVE_OR_DECLARED, _EXPLICIT, _EXPRESSIONS = 1, 2, 4
_DECLARED: Final = 3
_FUNCTION_ELEMENT_KIND: Final = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementSegment:
    """One segment as it lies in the module.

    Attributes:
        flags: The form of the segment, 0 to 7.
        start: Where it starts in the module.
        end: Where it ends.
        table: The table it fills; None when it is passive or only declares.
        address: Its first table index, if that is a constant.
        count: How many entries it has.
        references: Its function indices; one for each entry when the form is 0.
    """

    flags: int
    start: int
    end: int
    table: int | None
    address: int | None
    count: int
    references: list[FunctionReference]


@dataclass(frozen=True, slots=True, kw_only=True)
class RewrittenElements:
    """The payload of the new element section, in pieces, and how many entries were redirected."""

    chunks: list[Chunk]
    redirected: int


def read_elements(sections: ModuleSections, table_entries: int) -> list[ElementSegment]:
    """The element section; a constant segment must fit the `table_entries` that table 0 starts with."""
    cursor = sections.cursor(ELEMENT)
    if cursor is None:
        return []
    segments = [_read_segment(cursor) for _ in range(cursor.count("element segments"))]
    cursor.finish(SECTION_NAMES[ELEMENT])
    for segment in segments:
        if segment.table == 0 and segment.address is not None and segment.address + segment.count > table_entries:
            raise WasmFormatError(
                f"an element segment of {segment.count} entries for index {segment.address} does not fit a table"
                f" of {table_entries} entries",
                segment.start,
            )
    return segments


def removable_functions(segments: Sequence[ElementSegment], stubbed: Sequence[int]) -> set[int]:
    """The stubbed functions that can be left out of the table, which makes them null entries.

    Args:
        segments: All segments of the module.
        stubbed: For each function index, whether its body traps.

    Returns:
        Function indices; none when segments overlap or lie at offsets that are no constants, since an entry left
        out could then uncover an earlier one.
    """
    spans = []
    for segment in segments:
        if segment.table != 0:
            continue
        if segment.address is None:
            return set()
        if segment.count:
            spans.append((segment.address, segment.address + segment.count))
    spans.sort()
    if any(following[0] < span[1] for span, following in pairwise(spans)):
        return set()
    return {
        reference.function
        for segment in segments
        if segment.flags == 0
        for reference in segment.references
        if reference.function < len(stubbed) and stubbed[reference.function]
    }


def rewrite_elements(
    module: bytes,
    segments: Sequence[ElementSegment],
    *,
    remove: set[int],
    redirect: Mapping[int, int],
    declare: Sequence[int],
) -> RewrittenElements:
    """Leave functions out of the plain active segments, redirect others everywhere, and declare some.

    A segment keeps its number, which `table.init` and `elem.drop` in the code may name: it is cut to its first run of
    remaining entries, and the further runs become new segments after the last one.

    Args:
        module: The module.
        segments: What `read_elements` found in it.
        remove: What `removable_functions` returned, or a subset.
        redirect: From a function index to the one that takes its place.
        declare: Functions that code refers to by `ref.func`; a declarative segment makes that valid.
    """
    chunks: list[Chunk] = []
    further: list[Chunk] = []
    redirected = 0
    view = memoryview(module)
    for segment in segments:
        redirected += sum(reference.function in redirect for reference in segment.references)
        if segment.flags == 0 and any(reference.function in remove for reference in segment.references):
            first, *others = _runs(segment, remove, redirect) or [_plain_segment(0, [])]
            chunks.append(first)
            further += others
        else:
            chunks += patch(view, segment.start, segment.end, segment.references, redirect)
    if declare:
        body = b"".join(encode_unsigned(function) for function in declare)
        further.append(bytes((_DECLARED, _FUNCTION_ELEMENT_KIND)) + encode_unsigned(len(declare)) + body)
    count = len(segments) + len(further)
    if count > MAX_SEGMENTS and remove:
        # So scattered a selection would be refused by the engine; the stubs' bodies trap just as well.
        return rewrite_elements(module, segments, remove=set(), redirect=redirect, declare=declare)
    return RewrittenElements(chunks=[encode_unsigned(count), *chunks, *further], redirected=redirected)


def patch(
    view: memoryview, start: int, end: int, references: Sequence[FunctionReference], redirect: Mapping[int, int]
) -> list[Chunk]:
    """`view[start:end]` in pieces, with the given references redirected where `redirect` says so."""
    chunks: list[Chunk] = []
    for reference in references:
        if reference.function in redirect:
            chunks += [view[start : reference.start], encode_unsigned(redirect[reference.function])]
            start = reference.end
    chunks.append(view[start:end])
    return chunks


def _read_segment(cursor: Cursor) -> ElementSegment:
    start = cursor.pos
    flags = cursor.unsigned()
    if flags > 7:
        raise WasmFormatError(f"an element segment with flags {flags} is unknown", start)
    table: int | None = None
    address: int | None = None
    if not flags & _PASSIVE_OR_DECLARED:
        table = cursor.unsigned() if flags & _EXPLICIT else 0
        address = read_constant(cursor).address
    if flags & (_PASSIVE_OR_DECLARED | _EXPLICIT):
        at = cursor.pos
        if flags & _EXPRESSIONS:
            read_value_type(cursor)
        elif cursor.byte() != _FUNCTION_ELEMENT_KIND:
            raise WasmFormatError("an element segment is of an unknown kind", at)
    references: list[FunctionReference] = []
    count = cursor.count("table entries")
    for _ in range(count):
        if flags & _EXPRESSIONS:
            references += read_constant(cursor).references
        else:
            at = cursor.pos
            function = cursor.unsigned()
            references.append(FunctionReference(at, cursor.pos, function))
    return ElementSegment(
        flags=flags, start=start, end=cursor.pos, table=table, address=address, count=count, references=references
    )


def _runs(segment: ElementSegment, remove: set[int], redirect: Mapping[int, int]) -> list[bytes]:
    """The segment as one segment for each run of entries that stay."""
    assert segment.address is not None  # noqa: S101 - removable_functions makes sure of it
    segments: list[bytes] = []
    run: list[int] = []
    following = segment.address
    for reference in segment.references:
        if reference.function not in remove:
            run.append(redirect.get(reference.function, reference.function))
        elif run:
            segments.append(_plain_segment(following - len(run), run))
            run = []
        following += 1
    if run:
        segments.append(_plain_segment(following - len(run), run))
    return segments


def _plain_segment(address: int, functions: Sequence[int]) -> bytes:
    signed = address - 2**32 if address >= 2**31 else address
    offset = b"\x41" + encode_signed(signed) + b"\x0b"
    return b"\0" + offset + encode_unsigned(len(functions)) + b"".join(map(encode_unsigned, functions))
