"""Boot a runtime once and take its memory while it stands still."""

from __future__ import annotations

import ctypes
import json
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from wasihost.engine import threads
from wasihost.engine.code import Code
from wasihost.engine.ending import End, Ending, Stop
from wasihost.engine.instance import Guest, GuestStoppedError
from wasihost.engine.mapping import RANDOM_WORDS, SLOTS, Layout, OutputBuffer, window
from wasihost.engine.snapshot import OPEN_COUNT
from wasihost.engine.surroundings import Directory, Surroundings
from wasihost.errors import UnfreezableRuntimeError
from wasihost.image.note import HARNESS

SLOT_BYTES: Final = 122
"""Room for a guest path in a slot, with its NUL."""
BOOT_SECONDS: Final = 600.0
BOOT_OUTPUT_BYTES: Final = 1 << 20
VECTORCALL_OFFSET_AT: Final = 28
"""Offset of `tp_vectorcall_offset` in PyTypeObject on wasm32, the same in CPython 3.11 to 3.15."""
CALIBRATE: Final = 2
LEAST_IMMORTAL: Final = 1 << 29
"""CPython on 32 bits: no count of references gets there by counting."""
IMMORTAL: Final = 5 << 28
LARGEST_COUNT: Final = 1 << 24
"""What is counted higher is immortal already, or no object."""
MAX_RANDOM_HEAD_BYTES: Final = 64
"""Within so many bytes of a generator's object its state begins."""
MARKER: Final = b"W" * 301


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """A started interpreter at rest.

    Attributes:
        memory: Its linear memory.
        layout: What lies where.
        told: What the harness said of itself: version, imported modules.
    """

    memory: bytes
    layout: Layout
    told: Mapping[str, Any]


def harness_source() -> str:
    """Return the text of the harness, which belongs to the identity of every image."""
    return "\n".join(path.read_text(encoding="utf-8") for path in HARNESS)


def freeze(
    code: Code,
    *,
    layout: str,
    genesis: bytes,
    saved_globals: Sequence[tuple[str, str]],
    libraries: Sequence[Directory],
    modules: Sequence[str],
    required: Sequence[str],
    setup: str,
    missing: Mapping[str, str],
    empty_folder: Path,
) -> Frozen:
    """Start a runtime with the harness, and take its memory when it stands still.

    Args:
        code: The compiled runtime.
        layout: "command" or "reactor".
        genesis: Initial memory of the module.
        saved_globals: (export, type) of every mutable global.
        libraries: Preopens that belong to the runtime: the standard library, unless the module holds it, and others.
        modules: Imported before the freeze; those that the build lacks are left out.
        required: Likewise, but one that cannot be imported is an error.
        setup: Python code that is run after that.
        missing: Module -> message, for modules outside the slice.
        empty_folder: An empty directory of the host, to reserve the preopen slots with.

    Raises:
        UnfreezableRuntimeError: The build did not start, did not stop, or is laid out in an unknown way.
    """
    boot = _Boot(code, layout, genesis, saved_globals, libraries, empty_folder=empty_folder)
    return threads.submit_and_wait(lambda: boot.run(_script(modules, required, setup, missing)))


def _script(modules: Sequence[str], required: Sequence[str], setup: str, missing: Mapping[str, str]) -> str:
    return (
        "_n = {'__name__': '_wasihost', '__builtins__': dict(vars(__import__('builtins')))}\n"
        f"exec(compile({harness_source()!r}, '<wasihost>', 'exec'), _n)\n"
        f"_n['boot']({list(modules)!r}, {list(required)!r}, {setup!r}, {dict(missing)!r})\n"
    )


def slot_name(number: int) -> str:
    """Return the placeholder path that reserves a preopen slot."""
    return "/" + f"@slot-{number:02d}-".ljust(SLOT_BYTES - 1, "x")


class _Boot:
    def __init__(
        self,
        code: Code,
        layout: str,
        genesis: bytes,
        saved_globals: Sequence[tuple[str, str]],
        libraries: Sequence[Directory],
        *,
        empty_folder: Path,
    ) -> None:
        self._code = code
        self._layout = layout
        self._genesis = genesis
        self._saved_globals = saved_globals
        self._libraries = libraries
        self._empty_folder = empty_folder
        self._looks: list[bytes] = []  # the memory while the output buffer is in known states

    def run(self, script: str) -> Frozen:
        directories = list(self._libraries)
        directories += [Directory(host=str(self._empty_folder), guest=slot_name(k)) for k in range(SLOTS)]
        command = self._layout == "command"
        surroundings = Surroundings(
            arguments=["python", "-I", "-c", script] if command else ["/usr/local/bin/python.wasm"],
            environment=[("HOME", "/"), ("PYTHONTZPATH", "")],
            directories=directories,
            deadline_seconds=BOOT_SECONDS,
            output_bytes=BOOT_OUTPUT_BYTES,
        )
        guest = Guest(self._code)
        try:
            guest.begin(surroundings)
            guest.write(0, self._genesis)
            guest.doorbell = self._answer
            end = self._start_command(guest) if command else self._start_reactor(guest, script.encode())
            told = self._told(guest, end)
            if left := guest.get_global(OPEN_COUNT):
                raise UnfreezableRuntimeError(f"{left} files are still open when it stands still")
            memory = ctypes.string_at(guest.memory_address(), guest.memory_bytes())
            return Frozen(memory=memory, layout=self._describe(guest, memory, told), told=told)
        finally:
            guest.close()

    def _start_command(self, guest: Guest) -> End:
        end = guest.call_export("_start")
        if end.ending is Ending.RETURNED or end.ending is Ending.EXITED:
            raise UnfreezableRuntimeError(f"the build ended instead of standing still{_last_line(guest)}")
        return end

    def _start_reactor(self, guest: Guest, script: bytes) -> End:
        end = guest.call_export("_initialize")
        if end.ending is not Ending.RETURNED:
            return end
        end, address = guest.call_for_result("host_alloc", len(script))
        if end.ending is not Ending.RETURNED:
            return end
        guest.write(address & 0xFFFFFFFF, script)
        end, status = guest.call_for_result("turn", address, len(script))
        if end.ending is Ending.RETURNED and status:
            raise UnfreezableRuntimeError(f"the build refused the harness{_last_line(guest)}")
        return end

    def _answer(self, guest: Guest) -> None:
        """Serve the doorbell: look at the output buffer, or unwind a command build whose boot is done."""
        said = self._said(guest)
        if said is not None:
            self._make_immortal(guest, said)
            if self._layout == "command":
                guest.stop = Stop(Ending.FROZEN, "")
                raise GuestStoppedError
            return
        # The harness rings with its mailbox's command set; where the mailbox is, it says only at the end. Markers are
        # enough to find the buffer, and the object that points to it is looked up afterwards.
        self._looks.append(ctypes.string_at(guest.memory_address(), guest.memory_bytes()))

    @staticmethod
    def _make_immortal(guest: Guest, said: bytes) -> None:
        """Fix the reference counts of the objects that the harness names, while all of them are alive.

        CPython never writes the count of an immortal object, so the pages that hold it stay those of the image.
        """
        marks = json.loads(said).get("marks")
        if marks is None:
            return
        address, size, none = marks
        found = guest.read(address, size)
        guest.write(address, bytes(size))
        immortal = guest.read_u32(none)
        if immortal < LEAST_IMMORTAL:
            raise UnfreezableRuntimeError("the build's objects are laid out in an unknown way")
        # None and its like have a larger count than what is made immortal later, from 3.14 on.
        count = min(immortal, IMMORTAL)
        words = window(guest.memory_address(), guest.memory_bytes(), writable=True).cast("I")
        if 8 * len(found.rstrip(b"\0")) > len(words):
            raise UnfreezableRuntimeError("the harness names objects outside of its memory")
        for marked in re.finditer(rb"[^\0]", found):
            byte, first = marked.group()[0], 8 * marked.start()
            for bit in range(8):
                if byte >> bit & 1 and 0 < words[first + bit] < LARGEST_COUNT:
                    words[first + bit] = count

    @staticmethod
    def _said(guest: Guest) -> bytes | None:
        said = guest.captures[0].taken()[0]
        at = said.find(b"BOOT ")
        return said[at + 5 :].split(b"\n", 1)[0] if at >= 0 else None

    def _told(self, guest: Guest, end: End) -> dict[str, Any]:
        said = self._said(guest)
        if end.ending not in (Ending.FROZEN, Ending.RETURNED) or said is None:
            raise UnfreezableRuntimeError(
                f"the build did not start: {end.detail or end.ending.value}{_last_line(guest)}"
            )
        told = json.loads(said)
        if not isinstance(told, dict):
            raise UnfreezableRuntimeError("the build did not start: the harness says nothing of itself")
        return told

    def _describe(self, guest: Guest, memory: bytes, told: Mapping[str, Any]) -> Layout:
        entry, kind, mailbox = (int(told[key]) for key in ("entry", "function_type", "mailbox"))
        try:
            offset = struct.unpack_from("<i", memory, kind + VECTORCALL_OFFSET_AT)[0]
            index = struct.unpack_from("<I", memory, entry + offset)[0]
        except struct.error:
            raise UnfreezableRuntimeError("the build's function objects are laid out in an unknown way") from None
        return Layout(
            memory_bytes=len(memory),
            entry=entry,
            entry_index=index,
            mailbox=mailbox,
            slots=_slots(memory),
            slot_bytes=SLOT_BYTES,
            globals=tuple((name, kind, guest.get_global(name)) for name, kind in self._saved_globals),
            output=self._output_buffer(told),
            random=_random_state(memory, told),
        )

    def _output_buffer(self, told: Mapping[str, Any]) -> OutputBuffer | None:
        """Find the buffer's fields by how they changed over three looks; None when that is not unambiguous.

        `write_end` is the only 64-bit field that was 301, then 701, then -1; `write_pos` lies before it and was 0.
        """
        if len(self._looks) < 3:
            return None
        start, size = int(told["buffer"]), int(told["buffer_size"])
        first, second, third = self._looks[:3]
        markers = {match.start() for match in re.finditer(MARKER, first)}  # the text that was written is there too
        pointer_at = end_at = None
        for at in range(start, start + size - 7, 4):
            if struct.unpack_from("<I", first, at)[0] in markers and pointer_at is None:
                pointer_at = at
            if [struct.unpack_from("<q", look, at)[0] for look in (first, second, third)] == [301, 701, -1]:
                end_at = at
        if pointer_at is None or end_at is None:
            return None
        if any(struct.unpack_from("<q", look, end_at - 8)[0] for look in (first, second)):
            return None
        return OutputBuffer(pointer_at=pointer_at, start_at=end_at - 8, end_at=end_at)


def _random_state(memory: bytes, told: Mapping[str, Any]) -> int | None:
    """Find the state of a generator in its object: words and their number, side by side as they were told."""
    start, *words, used = told["random"]
    if len(words) != RANDOM_WORDS:
        return None
    state = struct.pack(f"<I{RANDOM_WORDS}I", used, *words)
    at = memory.find(state, start, start + len(state) + MAX_RANDOM_HEAD_BYTES)
    return at if at >= 0 and not at % 4 else None


def _slots(memory: bytes) -> tuple[int, ...]:
    found = []
    for number in range(SLOTS):
        name = slot_name(number)[1:].encode()
        at = memory.find(name)
        if at <= 0 or memory.find(name, at + 1) >= 0:
            raise UnfreezableRuntimeError("the build does not keep its preopens where they can be renamed")
        found.append(at)
    return tuple(found)


def _last_line(guest: Guest) -> str:
    lines = (guest.captures[1].taken()[0] or guest.captures[0].taken()[0]).decode("utf-8", "replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f" (it said: {last[:200]})" if last else ""
