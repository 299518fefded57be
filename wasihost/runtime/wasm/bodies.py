"""Function bodies: stubbing those outside a slice and redirecting calls in the others.

Tens of megabytes of code are never decoded as a whole: a byte search finds the few bodies that may use a redirected
function, and only those are decoded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from wasihost.runtime.wasm.cursor import Cursor
from wasihost.runtime.wasm.errors import WasmFormatError
from wasihost.runtime.wasm.instructions import CALL, END, FUNCTION_OPCODES, REF_FUNC, function_uses
from wasihost.runtime.wasm.leb import encode_unsigned, read_unsigned, unsigned_forms
from wasihost.runtime.wasm.sections import CODE, SECTION_NAMES, Chunk, ModuleSections

TRAP_BODY: Final = b"\0\0\x0b"
"""No locals, `unreachable`, `end`."""
EMPTY_BODY: Final = b"\0\x0b"
"""No locals, `end`."""

KEEP, TRAP, EMPTY = range(3)
"""What becomes of a function."""

NO_CHANGES: Final[Mapping[int, bytes]] = MappingProxyType({})

_REF_FUNC_ANYTHING = re.compile(bytes([REF_FUNC]), re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class RewrittenBodies:
    """The payload of the new code section, and what was met on the way.

    Attributes:
        chunks: The payload, in pieces to be joined.
        redirected: How many instructions name another function now.
        changed: How many functions have a new body that was given.
        declare: Functions that `ref.func` may name in the new code and whose declaration elsewhere is not certain.
    """

    chunks: list[Chunk]
    redirected: int
    changed: int
    declare: set[int]


def constructors(sections: ModuleSections, first_function: int) -> set[int]:
    """The functions that `__wasm_call_ctors` calls.

    The linker puts it first among the defined functions, and it consists of calls only; a first function that does
    anything else is not it.

    Args:
        sections: The module.
        first_function: The index of the first defined function.

    Returns:
        Function indices, imported ones left out.
    """
    bodies = iter_bodies(sections)
    _, pos, end = next(bodies, (0, 0, 0))
    if end - pos < 2 or sections.module[pos] != 0:  # it has no locals
        return set()
    module, found = sections.module, set()
    pos += 1
    while pos < end and module[pos] == CALL:
        function, pos = read_unsigned(module, pos + 1, end)
        found.add(function)
    if pos != end - 1 or module[pos] != END:
        return set()
    return {function for function in found if function >= first_function}


def iter_bodies(sections: ModuleSections) -> Iterator[tuple[int, int, int]]:
    """Where each body has its length, its start and its end.

    Raises:
        WasmFormatError: A body reaches out of the code section, or the section goes on after the last one.
    """
    cursor = sections.cursor(CODE)
    if cursor is None:
        return
    module, limit = cursor.data, cursor.end
    count = cursor.count("function bodies")
    pos = cursor.pos
    for _ in range(count):
        head = pos
        size, start = read_unsigned(module, pos, limit)
        pos = start + size
        if pos > limit:
            raise WasmFormatError("a function body reaches out of the code section", head)
        yield head, start, pos
    Cursor(module, pos, limit).finish(SECTION_NAMES[CODE])


def rewrite_bodies(
    sections: ModuleSections,
    *,
    fates: Sequence[int],
    redirect: Mapping[int, int],
    append: Sequence[bytes],
    undeclared: set[int],
    changed: Mapping[int, bytes] = NO_CHANGES,
) -> RewrittenBodies:
    """Build the code section anew.

    Args:
        sections: The module.
        fates: `KEEP`, `TRAP` or `EMPTY` for each defined function.
        redirect: From a function index to the one that kept code shall use instead.
        append: Bodies (without lengths) to add after the last one; they are not redirected.
        undeclared: Functions that the element section will not name any more; those that kept code may refer to by
            `ref.func` come back in `declare` (a few too many may, as this is a byte search).
        changed: New bodies of defined functions that are kept, by their numbers; one that may use a redirected function
            is left as it was.

    Raises:
        WasmFormatError: The number of bodies is not that of `fates`, or a body that may need redirection has an
            instruction that is unknown.
    """
    module = sections.module
    view = memoryview(module)
    may_use = _use_pattern(redirect).search
    stubs = {TRAP: _with_length(TRAP_BODY), EMPTY: _with_length(EMPTY_BODY)}
    chunks: list[Chunk] = []
    declare: set[int] = set()
    redirected = replaced = number = 0
    copied = copy_end = -1  # the run of untouched bytes that is still to be copied

    for head, start, end in iter_bodies(sections):
        if number >= len(fates):
            raise WasmFormatError("there are more function bodies than functions", head)
        fate, other = fates[number], changed.get(number)
        number += 1
        body: Chunk | None = None
        if fate != KEEP:
            body = stubs[fate]
        elif other is not None and not may_use(module, start, end):
            body = _with_length(other)
            replaced += 1
        elif may_use(module, start, end):
            uses = function_uses(module, start, end, redirect)
            if uses:
                declare.update(redirect[use.function] for use in uses if use.opcode == REF_FUNC)
                redirected += len(uses)
                body = _redirected_body(
                    view, start, end, [(use.start, use.end, redirect[use.function]) for use in uses]
                )
        if body is None:
            if copied < 0:
                copied = head
            copy_end = end
            continue
        if copied >= 0:
            chunks.append(view[copied:copy_end])
            declare |= _referenced(module, copied, copy_end, undeclared)
            copied = -1
        if fate == KEEP:
            declare |= _referenced(module, start, end, undeclared)
        chunks.append(body)
    if copied >= 0:
        chunks.append(view[copied:copy_end])
        declare |= _referenced(module, copied, copy_end, undeclared)
    if number != len(fates):
        raise WasmFormatError(f"there are {len(fates)} functions and {number} function bodies")
    chunks += [_with_length(body) for body in append]
    return RewrittenBodies(
        chunks=[encode_unsigned(number + len(append)), *chunks],
        redirected=redirected,
        changed=replaced,
        declare=declare,
    )


def _with_length(body: bytes) -> bytes:
    return encode_unsigned(len(body)) + body


def _use_pattern(functions: Mapping[int, int]) -> re.Pattern[bytes]:
    """Matches everything that could be an instruction with one of the function indices."""
    forms = b"|".join(re.escape(form) for function in functions for form in unsigned_forms(function))
    opcodes = re.escape(bytes(FUNCTION_OPCODES))
    return re.compile(b"[" + opcodes + b"](?:" + forms + b")", re.DOTALL)


def _redirected_body(view: memoryview, start: int, end: int, changes: list[tuple[int, int, int]]) -> bytes:
    pieces: list[Chunk] = []
    for use_start, use_end, function in changes:
        pieces += [view[start:use_start], encode_unsigned(function)]
        start = use_end
    return _with_length(b"".join([*pieces, view[start:end]]))


def _referenced(module: bytes, start: int, end: int, functions: set[int]) -> set[int]:
    """Which of the functions could be named by a `ref.func` in a piece of code."""
    found: set[int] = set()
    if not functions:
        return found
    for match in _REF_FUNC_ANYTHING.finditer(module, start, end):
        try:
            function, _ = read_unsigned(module, match.end(), end)
        except WasmFormatError:
            continue  # an immediate of something else
        if function in functions:
            found.add(function)
    return found
