"""The worker process: loads code and image, puts up its walls, and makes one run after the other.

It is started with one end of a socket as standard input and output and nothing else. What it hears comes from its
parent and is trusted; what runs inside it is not, so nothing it says is believed on the other side.
"""

from __future__ import annotations

import os
import signal
import socket
import stat
import sys
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

import wasihost.engine.attached  # noqa: F401 - turns import it, and behind the walls no module is found
from wasihost.capabilities.places import OPEN_DIRECTORY
from wasihost.capabilities.usage import FolderLimit
from wasihost.containment import messages
from wasihost.containment.direct import DESCRIPTORS, GUEST_ADDRESSES_BYTES, HEAP_BYTES
from wasihost.containment.disk import disk_hook
from wasihost.containment.kept import KEPT_SESSIONS
from wasihost.containment.remote_calls import RemoteCalls
from wasihost.containment.wire import MAX_FRAME_BYTES, End, PipeEnd, SocketEnd, Wire, WireClosedError
from wasihost.engine import threads
from wasihost.engine.doorbell import MAILBOX_LAST
from wasihost.engine.ending import Ending, Execution
from wasihost.engine.execute import CLEAN, Run, Turn
from wasihost.engine.instance import Guest
from wasihost.engine.layers import Extent, RestingMemory
from wasihost.engine.pages import HotPages
from wasihost.engine.spare import SpareGuests, prepare
from wasihost.engine.surroundings import Directory, Surroundings
from wasihost.engine.written import WrittenPages
from wasihost.errors import WasiHostError
from wasihost.image.protocol import MESSAGE_BYTES, Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from wasihost.containment.walls.enclosure import Standing
    from wasihost.engine.attached import Attached
    from wasihost.engine.layers import Checkpoint
    from wasihost.engine.snapshot import Snapshot
    from wasihost.image.store import Ready

SESSION_ADDRESSES_BYTES: Final = 16 << 30
"""What the guest of a session takes: its memory with guards, and its layers mapped beside it."""
OUTLIVE_SECONDS: Final = 0.08
"""How long after a deadline the kernel ends a worker that its parent has not ended: that one may be gone, or busy."""
WARM_UP: Final = b"""\
import re, json, collections, dataclasses, datetime

@dataclasses.dataclass
class Item:
    name: str
    price: float = 1.0

    def total(self, pieces):
        return self.price * pieces

def words(text):
    for match in re.finditer(r"[a-z]+", text):
        yield match.group()

found = collections.Counter(words("one two two three"))
items = {name: Item(name, float(len(name))) for name in sorted(found, key=lambda name: (-found[name], name))}
try:
    items["four"]
except KeyError as error:
    text = f"{error!r} {sum(item.total(2) for item in items.values()):.2f} {datetime.date(2026, 1, 1):%Y}"
print(json.dumps({"text": text, "rows": [[number, number ** 2] for number in range(9)]}))
"""
"""What small programs do, so that the pages it touches are those that they touch."""


class Setting(NamedTuple):
    """What all runs of a worker have in common."""

    ready: Ready
    grants: list[messages.GrantSaid]
    directories: list[Directory | None]
    """One for each grant; None for an overlay, which each run brings along."""


class Kept(NamedTuple):
    """The guest of a session between two turns."""

    attached: Attached
    folders: list[tuple[int, FolderLimit | None]]
    """Writable ones, open."""


def main(parent: int) -> NoReturn:
    """Serve the parent at the other end of standard input until it is gone."""
    _die_with(parent)
    wire = Wire(_take_end(), descriptors=True)
    status = 0
    try:
        _serve(wire)
    except WireClosedError:
        status = 0
    except WasiHostError as error:
        _say(wire, messages.Failed(reason=str(error)[: messages.MAX_DETAIL_CHARACTERS]))
        status = 1
    except BaseException as error:  # the last words of a worker; its parent keeps them to itself
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.stderr.flush()
        status = 1
    os._exit(status)


def _die_with(parent: int) -> None:
    """Ask the kernel to end this process with its parent, where it can, and end it now if that is gone already."""
    if sys.platform == "linux":
        import ctypes

        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL, 0, 0, 0)
    if parent and os.getppid() != parent:
        os._exit(0)
    # What the host blocks is inherited, and the alarm must be heard. Ctrl-C in the terminal is the parent's business.
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)


def _take_end() -> End:
    """Move the wire away from the standard descriptors, which a guest could be given."""
    incoming, outgoing = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.close(null)
    if stat.S_ISSOCK(os.fstat(incoming).st_mode):
        os.close(outgoing)
        return SocketEnd(socket.socket(fileno=incoming))
    return PipeEnd(incoming, outgoing)


def _say(wire: Wire, message: messages.FromWorker) -> None:
    wire.send(messages.encode(message))


def _hear(wire: Wire) -> tuple[messages.ToWorker, list[int]]:
    frame = wire.receive(MAX_FRAME_BYTES)
    if frame is None:
        raise WireClosedError
    return messages.decode_to_worker(frame[0]), frame[1]


def _serve(wire: Wire) -> None:
    from wasihost import __version__

    load, _ = _hear(wire)
    if not isinstance(load, messages.Load) or load.protocol != messages.PROTOCOL:
        raise WasiHostError("the parent speaks another version of the protocol")
    ready = _load(load)
    _say(wire, messages.Loaded(protocol=messages.PROTOCOL, version=__version__))
    configure, descriptors = _hear(wire)
    if not isinstance(configure, messages.Configure):
        raise WasiHostError("a worker is configured before its first run")
    pages, written = HotPages(), WrittenPages()  # open files that are out of reach behind the walls
    setting = _setting(ready, configure, descriptors)
    standing = _enclose(setting, configure, descriptors)
    # From here on no thread may exist that was started before the walls were: they hold for its children only.
    threads.submit_and_wait(lambda: _Worker(wire, setting, pages, written, standing).serve())


def _load(load: messages.Load) -> Ready:
    from pathlib import Path

    from wasihost.image.store import Located
    from wasihost.image.store import load as load_image

    return load_image(
        Located(
            name=load.runtime,
            metered=load.metered,
            compiled=Path(load.compiled),
            image=Path(load.image),
            libraries=tuple(Directory(host=host, guest=guest) for host, guest in load.libraries),
            memory_bytes=load.memory_bytes,
            slots=load.slots,
        )
    )


def _setting(ready: Ready, configure: messages.Configure, descriptors: list[int]) -> Setting:
    given = iter(descriptors)
    directories: list[Directory | None] = []
    for grant in configure.grants:
        if grant.overlay:
            directories.append(None)
            continue
        host = grant.path or f"/proc/self/fd/{next(given)}"
        directories.append(Directory(host=host, guest=grant.guest, writable=grant.writable))
    return Setting(ready, configure.grants, directories)


def _enclose(setting: Setting, configure: messages.Configure, descriptors: list[int]) -> Standing:
    from wasihost.containment.walls.enclosure import Enclosure, enclose

    given = iter(descriptors)
    readable: list[int | str] = [library.host for library in setting.ready.libraries]
    writable: list[int | str] = []
    for grant in configure.grants:
        if not grant.overlay:
            (writable if grant.writable else readable).append(grant.path or next(given))
    if configure.room is not None:
        writable.append(configure.room or next(given))
    return enclose(
        Enclosure(
            readable=readable,
            writable=writable,
            data_bytes=3 * configure.memory_bytes + HEAP_BYTES,
            address_bytes=GUEST_ADDRESSES_BYTES + KEPT_SESSIONS * SESSION_ADDRESSES_BYTES + HEAP_BYTES,
            open_files=(1 + KEPT_SESSIONS) * (configure.open_files + DESCRIPTORS),
            file_bytes=configure.file_bytes,
        )
    )


class _Worker:
    """Makes runs on the thread that calls `serve`."""

    def __init__(
        self, wire: Wire, setting: Setting, pages: HotPages, written: WrittenPages, standing: Standing
    ) -> None:
        self._wire = wire
        self._setting = setting
        self._pages = pages
        self._written = written
        self._standing = standing
        self._spares = SpareGuests(setting.ready.code, setting.ready.image, written, most=1)
        self._kept: dict[int, Kept] = {}

    def serve(self) -> None:
        """Tell which walls stand, then run whatever comes, for as long as the parent wants this worker."""
        self._warm_up()
        _say(self._wire, messages.Ready(walls=list(self._standing.walls), missing=list(self._standing.missing)))
        guest: Guest | None = None
        while True:
            guest = guest or self._prepare()
            execute, descriptors = _hear(self._wire)
            if isinstance(execute, messages.Answer):
                continue  # to a call that a run did not wait for
            if not isinstance(execute, messages.Execute):
                raise WasiHostError("a configured worker takes runs only")
            for key in execute.forget:
                self._forget(key)
            if execute.session is not None and execute.session.attach is None:
                self._turn(execute, execute.session.key)
                continue
            if execute.session is not None and execute.session.attach is not None:
                self._attach(guest, execute, execute.session.key, execute.session.attach, descriptors)
            else:
                self._run(guest, execute, descriptors)
            guest = None

    def _prepare(self) -> Guest:
        guest = self._spares.spare()
        if guest is None:
            guest = prepare(self._setting.ready.code, self._setting.ready.image)
            if not self._wire.has_news():  # else the run waits already: bringing pages in costs more than it spares
                self._pages.populate(guest)
        return guest

    def _warm_up(self) -> None:
        """Make one run of our own, and remember which pages it touched: the program of everybody touches the same."""
        ready = self._setting.ready
        request = Request(
            kind="code", source=WARM_UP, name="<string>", is_file=False, argv=["-c"], path="", env={}, inputs="{}",
            grants=[], stream=False, value_bytes=0,
        ).encode()  # fmt: skip
        guest = prepare(ready.code, ready.image)
        surroundings = Surroundings(
            directories=ready.libraries,
            fuel=10**11 if ready.code.engine.metered else None,
            deadline_seconds=10.0,
            on_stdout=lambda _: self._pages.record(guest, ready.image.layout.memory_bytes),
        )
        run = Run(ready.code, ready.image, surroundings, [], reply_bytes=MESSAGE_BYTES, prepared=guest)
        execution = run.execute(request)
        self._spares.put_away(guest)
        if execution.end.ending is not Ending.RETURNED:
            raise WasiHostError(f"a first program does not run: {execution.end.detail or execution.end.ending.value}")

    def _run(self, guest: Guest, execute: messages.Execute, descriptors: list[int]) -> None:
        inherits = execute.stdin_descriptor
        if inherits:
            # The engine can pass on the standard input of this process only. It may read ahead, so it is used once.
            opened = descriptors.pop()
            os.dup2(opened, 0)
            os.close(opened)
        memory = descriptors.pop() if execute.snapshot else None
        directories, paths, folders = self._folders(execute, descriptors)
        outlets = self._outlets(execute, guest)
        surroundings = self._surroundings(execute, directories, folders, outlets, inherits=inherits)
        ready = self._setting.ready
        run = Run(
            ready.code, ready.image, surroundings, paths,
            reply_bytes=execute.reply_bytes, prepared=guest, snapshot_into=memory,
        )  # fmt: skip
        # Nobody waits for the rest any more.
        if self._finish(run, execute, outlets, worn=inherits):
            guest.close()
        else:
            self._spares.put_away(guest)
        for descriptor in [*descriptors, *[folder for folder, _ in folders]]:
            os.close(descriptor)

    def _attach(
        self, guest: Guest, execute: messages.Execute, key: int, attach: messages.AttachSaid, descriptors: list[int]
    ) -> None:
        """Make the first turn of a session in this worker."""
        self._forget(key)
        count = len(descriptors) - attach.layers
        layers, brought = descriptors[count:], descriptors[:count]
        resting = RestingMemory(
            memory_bytes=attach.memory_bytes,
            globals=tuple(attach.globals),
            extents=[Extent(*extent) for extent in attach.extents],
            layers=layers,
            own=attach.own,
        )
        directories, paths, folders = self._folders(execute, brought)
        outlets = self._outlets(execute)
        surroundings = self._surroundings(execute, directories, folders, outlets)
        turn = Turn(None, resting, self._written)
        ready = self._setting.ready
        run = Run(
            ready.code, ready.image, surroundings, paths,
            reply_bytes=execute.reply_bytes, prepared=guest, turn=turn,
        )  # fmt: skip
        self._finish(run, execute, outlets)
        for descriptor in descriptors:
            os.close(descriptor)
        self._keep(key, turn, folders)

    def _turn(self, execute: messages.Execute, key: int) -> None:
        """Make another turn of a session."""
        kept = self._kept.pop(key)
        outlets = self._outlets(execute)
        surroundings = self._surroundings(execute, [], kept.folders, outlets)
        turn = Turn(kept.attached, None, self._written)
        ready = self._setting.ready
        run = Run(ready.code, ready.image, surroundings, [], reply_bytes=execute.reply_bytes, turn=turn)
        self._finish(run, execute, outlets)
        self._keep(key, turn, kept.folders)

    def _keep(self, key: int, turn: Turn, folders: list[tuple[int, FolderLimit | None]]) -> None:
        if turn.attached is not None:
            self._kept[key] = Kept(turn.attached, folders)
        else:
            for folder, _ in folders:
                os.close(folder)

    def _forget(self, key: int) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            kept.attached.close()
            for folder, _ in kept.folders:
                os.close(folder)

    def _finish(self, run: Run, execute: messages.Execute, outlets: list[_Outlet], *, worn: bool = False) -> bool:
        """Execute a run and tell the parent what came of it; return whether this worker has made its last one."""
        # Whatever hangs, and even when the parent is gone: the kernel's default for this signal is to end the process.
        signal.setitimer(signal.ITIMER_REAL, execute.deadline_seconds + OUTLIVE_SECONDS)
        execution = run.execute(execute.request)
        signal.setitimer(signal.ITIMER_REAL, 0)
        worn = worn or execution.end.ending not in CLEAN
        self.send(_done(execute.number, execution, [outlet.complete for outlet in outlets], worn=worn))
        return worn

    def _outlets(self, execute: messages.Execute, guest: Guest | None = None) -> list[_Outlet]:
        """Return what the guest's output goes to; with the guest of a run, its last words travel with the result."""
        flag = self._setting.ready.image.layout.mailbox + MAILBOX_LAST

        def are_last() -> bool:
            return guest is not None and guest.read_u32(flag) != 0

        return [_Outlet(self, stream, execute, are_last) for stream in (1, 2)]

    def _surroundings(
        self,
        execute: messages.Execute,
        directories: list[Directory],
        folders: list[tuple[int, FolderLimit | None]],
        outlets: list[_Outlet],
        *,
        inherits: bool = False,
    ) -> Surroundings:
        return Surroundings(
            directories=directories,
            stdin=None if inherits else execute.stdin,
            fuel=execute.fuel,
            memory_bytes=execute.memory_bytes,
            deadline_seconds=execute.deadline_seconds,
            output_bytes=execute.output_bytes,
            output_ends_run=execute.output_ends_run,
            open_files=execute.open_files,
            host_calls=execute.host_calls,
            disk=disk_hook(folders, disk_bytes=execute.disk_bytes, disk_files=execute.disk_files),
            calls=None if execute.calls is None else RemoteCalls(self._wire, execute.number, execute.calls),
            on_stdout=outlets[0],
            on_stderr=outlets[1],
        )

    def _folders(
        self, execute: messages.Execute, descriptors: list[int]
    ) -> tuple[list[Directory], list[str], list[tuple[int, FolderLimit | None]]]:
        """As `_directories`, with the writable ones open."""
        directories, paths, writable = self._directories(execute, descriptors)
        return directories, paths, [(os.open(path, OPEN_DIRECTORY), limit) for path, limit in writable]

    def _directories(
        self, execute: messages.Execute, descriptors: list[int]
    ) -> tuple[list[Directory], list[str], list[tuple[str, FolderLimit | None]]]:
        """Return the engine's directories, the guest paths of the grants, and the writable ones with their limits."""
        ready = self._setting.ready
        directories = list(ready.libraries)
        given = iter(descriptors)
        brought = {index: path or f"/proc/self/fd/{next(given)}" for index, path in execute.brought}
        paths: list[str] = []
        writable: list[tuple[str, FolderLimit | None]] = []
        for index, (grant, directory) in enumerate(zip(self._setting.grants, self._setting.directories, strict=True)):
            found = directory
            if index in brought or found is None:
                found = Directory(host=brought[index], guest=grant.guest, writable=True)
            directories.append(found)
            paths.append(grant.guest)
            if found.writable:
                limit = grant.limit and FolderLimit(
                    guest=grant.guest, disk_bytes=grant.limit[0], disk_files=grant.limit[1]
                )
                writable.append((found.host, limit))
        return directories, paths, writable

    def send(self, message: messages.FromWorker) -> None:
        """Tell the parent."""
        self._wire.send(messages.encode(message))


class _Outlet:
    """Sends what the guest prints as it is printed, as far as the parent keeps it.

    Args:
        worker: Sends it.
        stream: Which of the guest's streams this is.
        execute: What the parent asked for.
        are_last: Whether the guest says that it writes nothing more and replies at once. What it writes then need not
            be sent ahead, unless somebody listens: one message less is a tenth of a short run. A guest that says so
            and then hangs loses its own output. What comes after output that was sent is sent as well: the result
            would have to repeat all of it.
    """

    __slots__ = ("_are_last", "_has_sent", "_listens", "_room", "_stream", "_worker", "complete")

    def __init__(self, worker: _Worker, stream: int, execute: messages.Execute, are_last: Callable[[], bool]) -> None:
        self._worker = worker
        self._stream = stream
        self._are_last = are_last
        self._listens = execute.streams
        self.complete = True
        self._has_sent = False
        # When the end of a flood is kept and its middle is not, only the first part is sent on the way.
        held = not execute.streams and not execute.output_ends_run
        self._room = (execute.output_bytes + 1) // 2 if held else sys.maxsize

    def __call__(self, data: bytes) -> None:
        if not self._listens and not self._has_sent and self._are_last():
            self.complete = False  # all of it is in the result
            return
        if len(data) > self._room:
            self.complete = False
            data = data[: self._room]
        self._room -= len(data)
        if data:
            self._has_sent = True
            self._worker.send(messages.Output(stream=self._stream, data=data))


def _done(number: int, execution: Execution, complete: list[bool], *, worn: bool) -> messages.Done:
    return messages.Done(
        number=number,
        ending=execution.end.ending.value,
        detail=execution.end.detail[: messages.MAX_DETAIL_CHARACTERS],
        exit_code=execution.end.exit_code,
        reply=execution.reply,
        stdout=None if complete[0] and not execution.stdout[1] else execution.stdout,
        stderr=None if complete[1] and not execution.stderr[1] else execution.stderr,
        fuel_consumed=execution.fuel_consumed,
        memory_bytes=execution.memory_bytes,
        cpu_seconds=execution.cpu_seconds,
        wall_seconds=execution.wall_seconds,
        worn=worn,
        snapshot=None if execution.snapshot is None else _said(execution.snapshot),
        checkpoint=None if execution.checkpoint is None else _checkpoint_said(execution.checkpoint),
    )


def _checkpoint_said(checkpoint: Checkpoint) -> messages.CheckpointSaid:
    return messages.CheckpointSaid(
        memory_bytes=checkpoint.memory_bytes,
        globals=list(checkpoint.globals),
        written=list(checkpoint.written),
        open_files=checkpoint.open_files,
        files=checkpoint.files,
    )


def _said(snapshot: Snapshot) -> messages.SnapshotSaid:
    return messages.SnapshotSaid(
        memory_bytes=snapshot.memory_bytes,
        globals=list(snapshot.globals),
        open_files=snapshot.open_files,
        entropy_reads=snapshot.entropy_reads,
    )
