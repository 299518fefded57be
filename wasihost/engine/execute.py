"""One run of one guest, from an image to its end, or one turn of a session. The last hop of both."""

from __future__ import annotations

import marshal
import os
import struct
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from wasihost.engine.code import Code
from wasihost.engine.doorbell import MAILBOX_BODY, MAILBOX_BYTES, Doorbell
from wasihost.engine.ending import CANCELLED, EXPIRED, End, Ending, Execution, Stop, host_failed
from wasihost.engine.instance import Guest, GuestMemoryError
from wasihost.engine.mapping import RANDOM_WORDS, MappedImage
from wasihost.engine.snapshot import OPEN_COUNT, Snapshot, SnapshotError, take_snapshot
from wasihost.engine.spare import SpareGuests, prepare
from wasihost.engine.surroundings import Surroundings
from wasihost.engine.written import WrittenPages

if TYPE_CHECKING:
    from wasihost.engine.attached import Attached
    from wasihost.engine.layers import Checkpoint, RestingMemory

CLEAN: Final = frozenset({Ending.RETURNED, Ending.EXITED})
"""Ends after which a guest's store and what made it are as good as new: nothing was stopped half-way."""
GROWN_BYTES: Final = 64 << 20
"""A guest whose memory grew by more is freed before its result is there: that takes long, and the thread is needed."""
LIST_FILES: Final = marshal.dumps({"kind": "files"}, 2)
_ALL_USED: Final = struct.pack("<I", RANDOM_WORDS)
MAX_FILES_BYTES: Final = 1 << 20
"""What the harness may say of open files."""


class Turn:
    """What a turn of a session starts from, and what is left for the next one.

    Args:
        attached: The guest of the turn before, if it is still there.
        resting: What is put under a new guest otherwise.
        written: Finds written pages.

    Attributes:
        attached: After the turn, the guest that goes on with the checkpoint of the execution; None without one.
    """

    __slots__ = ("attached", "resting", "written")

    def __init__(self, attached: Attached | None, resting: RestingMemory | None, written: WrittenPages) -> None:
        self.attached = attached
        self.resting = resting
        self.written = written

    def close(self) -> None:
        """Free the guest: it is not at the end of a turn."""
        attached, self.attached = self.attached, None
        if attached is not None:
            attached.close()


class Run:
    """A run that can be cancelled from another thread.

    Args:
        code: Compiled code of the image's runtime.
        image: The started interpreter.
        surroundings: Grants and limits; its directories are the image's libraries, then the granted ones.
        guest_paths: Guest paths of the granted directories, one for each slot used.
        reply_bytes: Longest reply that is read.
        prepared: A guest from `prepare` that nobody used yet, which the caller closes; otherwise the run gets one.
        spares: Where it gets it from, and where `put_away` takes it back to after a clean end; otherwise the run makes
            one and closes it.
        snapshot_into: An empty file that gets the guest's memory when the entry function came back, for an image that
            is being made. The run closes it, because it may go on when nobody waits for it any more. Only such a run
            can ask how often entropy was read.
        turn: A turn of a session: what it starts from. Its guest goes on living; see `Turn`.
    """

    def __init__(
        self,
        code: Code,
        image: MappedImage,
        surroundings: Surroundings,
        guest_paths: Sequence[str],
        *,
        reply_bytes: int,
        prepared: Guest | None = None,
        spares: SpareGuests | None = None,
        snapshot_into: int | None = None,
        turn: Turn | None = None,
    ) -> None:
        self._code = code
        self._image = image
        self._surroundings = surroundings
        self._guest_paths = guest_paths
        self._reply_bytes = reply_bytes
        self._prepared = prepared
        self._spares = spares
        self._used: Guest | None = None
        self._snapshot_into = snapshot_into
        self._turn = turn
        self._guest: Guest | None = None
        self._stop_wanted: Stop | None = None

    def cancel(self) -> None:
        """End the run as soon as the guest can be stopped; harmless before and after."""
        self._stop(CANCELLED)

    def expire(self) -> None:
        """Likewise, because its deadline has passed."""
        self._stop(EXPIRED)

    def _stop(self, stop: Stop) -> None:
        self._stop_wanted = stop
        guest = self._guest
        if guest is not None:
            guest.cancel(stop)

    def abandoned(self) -> Execution:
        """Describe a run that is stuck in a host call, from another thread: what it wrote so far.

        Callbacks hear no more of it.
        """
        guest = self._guest
        captures = () if guest is None else guest.captures
        for capture in captures:
            capture.silence()
        taken = [capture.taken() for capture in captures] or [(b"", 0)] * 2
        return Execution(end=End(Ending.DEADLINE, "a host call did not come back"), stdout=taken[0], stderr=taken[1])

    def execute(self, request: bytes) -> Execution:
        """Run the guest on this thread, which must have a deep stack (`threads.submit`).

        Raises:
            EngineError: The guest could not be set up.
        """
        try:
            return self._execute(request)
        finally:
            if self._snapshot_into is not None:
                os.close(self._snapshot_into)

    def _execute(self, request: bytes) -> Execution:
        started, cpu_started = time.monotonic(), time.thread_time()
        if self._stop_wanted is not None:
            # Whoever stopped it need not wait for this thread: the granted directories may be closed by now.
            return Execution(end=self._stop_wanted.end())
        guest = self._begin()
        keeps = is_clean = False
        try:
            self._guest = guest
            if self._stop_wanted is not None:
                guest.cancel(self._stop_wanted)
            end = self._call(guest, request)
            reply = snapshot = checkpoint = None
            if end.ending is Ending.RETURNED:
                try:
                    reply = self._reply(guest, self._reply_bytes)
                except (GuestMemoryError, ValueError) as error:
                    end = End(Ending.CRASHED, str(error))
                if self._snapshot_into is not None and end.ending is Ending.RETURNED:
                    end, snapshot = self._take_snapshot(guest, self._snapshot_into)
                elif self._turn is not None and end.ending is Ending.RETURNED:
                    fuel = guest.fuel_consumed()
                    end, checkpoint = self._take_checkpoint(guest, self._turn)
            elif end.ending not in (Ending.EXITED, Ending.OUTPUT_LIMIT, Ending.HOST_FAILED):
                end = self._save_output(guest) or end
            keeps = checkpoint is not None
            is_clean = end.ending in CLEAN
            return Execution(
                end=end,
                reply=reply,
                stdout=guest.captures[0].taken(),
                stderr=guest.captures[1].taken(),
                fuel_consumed=fuel if keeps else guest.fuel_consumed(),
                memory_bytes=guest.memory_bytes(),
                cpu_seconds=time.thread_time() - cpu_started,
                wall_seconds=time.monotonic() - started,
                snapshot=snapshot,
                checkpoint=checkpoint,
                attached=self._turn is not None and self._turn.resting is not None,
            )
        finally:
            self._guest = None
            if self._turn is not None:
                if not keeps:
                    self._turn.close()
            elif self._prepared is None:
                grown = guest.memory_bytes() - self._image.layout.memory_bytes
                if is_clean and self._spares is not None and grown <= GROWN_BYTES:
                    guest.end()  # what it was granted goes now, its memory when nobody waits any more
                    self._used = guest
                else:
                    guest.close()

    def put_away(self) -> None:
        """Give the guest back to where spare ones come from, on the thread that executed the run."""
        guest, self._used = self._used, None
        if guest is not None and self._spares is not None:
            self._spares.put_away(guest)

    def _begin(self) -> Guest:
        turn = self._turn
        if turn is not None and turn.attached is not None:
            turn.attached.guest.renew(self._surroundings)
            return turn.attached.guest
        guest = self._prepared or self._make_guest()
        try:
            guest.begin(self._surroundings)
            if turn is not None and turn.resting is not None:
                from wasihost.engine.attached import Attached  # runs do without

                turn.attached = Attached(guest, self._image, turn.resting, turn.written)
            self._name_slots(guest)
        except BaseException:
            guest.close()
            raise
        return guest

    def _make_guest(self) -> Guest:
        return prepare(self._code, self._image) if self._spares is None else self._spares.take()

    def _name_slots(self, guest: Guest) -> None:
        slots = self._image.layout.slots
        for at, path in zip(slots, self._guest_paths, strict=False):
            name = path.strip("/").encode() + b"\0"
            if self._turn is None or guest.read(at, len(name)) != name:
                guest.write(at, name)
        if self._turn is not None:
            # The session may have been saved where more was granted.
            for at in slots[len(self._guest_paths) :]:
                name = self._image.read(at, self._image.layout.slot_bytes)
                if guest.read(at, len(name)) != name:
                    guest.write(at, name)

    def _call(self, guest: Guest, request: bytes) -> End:
        layout = self._image.layout
        guest.set_global("wasihost:open_limit", "i32", self._surroundings.open_files)
        if self._surroundings.disk is not None:
            # Nothing is counted for it yet: the first write asks.
            guest.set_global("wasihost:disk_left", "i64", 0)
            guest.set_global("wasihost:files_left", "i32", 0)
        fits = MAILBOX_BODY + len(request) <= MAILBOX_BYTES
        if fits:
            guest.write(layout.mailbox + MAILBOX_BODY, request)
        calls = self._surroundings.calls
        if not fits or self._snapshot_into is not None or calls is not None:
            counts = self._snapshot_into is not None
            guest.doorbell = Doorbell(layout.mailbox, b"" if fits else request, counts_entropy=counts, calls=calls)
        seeded = 0
        if layout.random is not None and self._turn is None and self._snapshot_into is None:
            # The interpreter would ask for as many random bytes, and then compute with each of them.
            seeded = 1
            guest.write(layout.random, _ALL_USED + os.urandom(4 * RANDOM_WORDS))
        guest.write(layout.mailbox, struct.pack("<9I", 0, len(request), 0, 0, 0, 0, 0, 0, seeded))
        if guest.must_stop() and guest.stop is not None:
            return guest.stop.end()
        return guest.call_table(layout.entry_index, layout.entry, 0, 0, 0)

    def _take_snapshot(self, guest: Guest, descriptor: int) -> tuple[End, Snapshot | None]:
        try:
            snapshot = take_snapshot(guest, self._image.layout, descriptor)
        except SnapshotError as error:
            return End(Ending.HOST_FAILED, str(error)), None
        if snapshot is None and guest.stop is not None:
            return guest.stop.end(), None
        return End(Ending.RETURNED), snapshot

    def _take_checkpoint(self, guest: Guest, turn: Turn) -> tuple[End, Checkpoint | None]:
        """Store what the turn changed. When it comes to nothing, the guest is as if it had been stopped in its turn."""
        files, attached = b"", turn.attached
        if attached is None:
            return End(Ending.HOST_FAILED, "the guest of a session was lost"), None
        if guest.get_global(OPEN_COUNT):
            layout = self._image.layout
            request = len(LIST_FILES).to_bytes(4, "little") + LIST_FILES
            guest.write(layout.mailbox + MAILBOX_BODY, request)
            guest.write(layout.mailbox, struct.pack("<8I", 0, len(request), 0, 0, 0, 0, 0, 0))
            end = guest.call_table(layout.entry_index, layout.entry, 0, 0, 0)
            if end.ending is not Ending.RETURNED:
                return end, None
            try:
                files = self._reply(guest, MAX_FILES_BYTES)
            except (GuestMemoryError, ValueError) as error:
                return End(Ending.CRASHED, str(error)), None
        checkpoint = attached.checkpoint(files)
        if checkpoint is None:
            guest.must_stop()
            return (guest.stop or CANCELLED).end(), None
        return End(Ending.RETURNED), checkpoint

    def _reply(self, guest: Guest, most: int) -> bytes:
        size, address = struct.unpack("<2I", guest.read(self._image.layout.mailbox + 12, 8))
        if not size:
            raise ValueError("the interpreter came back without a reply")
        if size > most:
            raise ValueError(f"the interpreter's reply is longer than {most} bytes")
        return guest.read(address, size)

    def _save_output(self, guest: Guest) -> End | None:
        """Take what the stopped guest had printed but not written: its positions are as untrusted as its output.

        Returns:
            Another end, if a callback failed on it.
        """
        output = self._image.layout.output
        if output is None:
            return None
        try:
            pointer = guest.read_u32(output.pointer_at)
            start, end = (struct.unpack("<q", guest.read(at, 8))[0] for at in (output.start_at, output.end_at))
            pending = guest.view(pointer + start, end - start) if 0 <= start < end <= MAILBOX_BYTES else None
        except GuestMemoryError:
            return None
        if pending is None or pending == guest.last_output:
            return None
        try:
            guest.captures[0].feed(pending)
        except BaseException as error:  # a callback's, and treated as everywhere else
            return host_failed(error).end()
        return None
