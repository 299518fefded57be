"""A session in one file: a zip with a description, the pages that differ from the image, and the session's own folders.

The file is data. What is believed of it is checked, and addresses that the host uses are those of the image that is
here: a file that was made up gives a guest that misbehaves, which is what guests may do.
"""

from __future__ import annotations

import collections
import contextlib
import hashlib
import json
import os
import stat
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any, Final

from wasihost.bounds import Bounds
from wasihost.capabilities.granted_files import Folder, GrantedFiles
from wasihost.engine.layers import Extent, SessionMemory
from wasihost.engine.runs import PAGE_BYTES
from wasihost.errors import ConfigError, InvalidLimitsError, InvalidSessionError, UnusableSessionError
from wasihost.image.plausible import globals_fit, with_our_counters
from wasihost.image.protocol import encodable
from wasihost.image.sound import sound
from wasihost.image.turn_protocol import MAX_OPEN_FILES_TOLD, read_files
from wasihost.limits import WASM_PAGE_BYTES
from wasihost.runtime.manifest import is_inner_path
from wasihost.runtime.names import is_image_name, is_runtime_name
from wasihost.session import MAX_LOST_FILES, Session, State
from wasihost.turns import new_folders, new_memory

if TYPE_CHECKING:
    from wasihost.capabilities.session_folders import SessionFolders
    from wasihost.runner import Runner
    from wasihost.sandbox import Sandbox

FORMAT: Final = "wasihost session 1"
DESCRIPTION: Final = "session.json"
PAGES: Final = "pages.bin"
FOLDERS: Final = "folders"
MAX_DESCRIPTION_BYTES: Final = 64 * 2**20
MAX_FILE_BYTES: Final = 2**32
"""Of one file in a session's own folders."""
COMPRESSION: Final = 1
"""Of zlib: most of what more would win is not worth the time that a save would take."""
OWN_OPTIONS: Final = ("idle_seconds", "lifetime_seconds", "figures")
_CHUNK_PAGES: Final = 256
_MALFORMED: Final = (
    zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, KeyError, ValueError,
    OverflowError,
)  # fmt: skip


def save(runner: Runner, state: State, path: str) -> None:
    """Write a session, which nobody uses meanwhile, whole or not at all.

    Raises:
        OSError: The file cannot be written, or one of the session's own files cannot be read.
    """
    try:
        _save(runner, state, path)
    except OSError as error:
        # By its own name, not by that of the file beside it that was to become it.
        raise OSError(error.errno, error.strerror or type(error).__name__, path) from None


def _save(runner: Runner, state: State, path: str) -> None:
    memory = state.memory
    extents = memory.extents()
    descriptor, temporary = tempfile.mkstemp(prefix=f".{os.path.basename(path)}-", dir=os.path.dirname(path) or ".")  # noqa: PTH119, PTH120 - text
    try:
        with os.fdopen(descriptor, "w+b") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=COMPRESSION) as archive:
                digest = hashlib.sha256()
                with archive.open(PAGES, "w", force_zip64=True) as pages:
                    for data in _data_of(memory, extents):
                        digest.update(data)
                        pages.write(data)
                folders, left_out = _save_folders(archive, state.folders)
                head = {
                    "format": FORMAT,
                    "runtime": runner.setup.runtime,
                    "image": runner.setup.image,
                    "image_sha256": image_digest(runner),
                    "memory_bytes": memory.memory_bytes,
                    "globals": [list(entry) for entry in memory.globals],
                    "extents": [[extent.page, extent.pages] for extent in extents],
                    "pages_sha256": digest.hexdigest(),
                    "turns": state.turns,
                    "number": state.number,
                    "started": state.started,
                    "files": [list(entry) for entry in state.files],
                    "unnamed": state.unnamed,
                    "lost": [*state.lost, *left_out][-MAX_LOST_FILES:],
                    "folders": folders,
                    "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                }
                archive.writestr(DESCRIPTION, json.dumps(head))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)  # noqa: PTH105 - text
    except BaseException:
        os.unlink(temporary)  # noqa: PTH108 - text
        raise


def image_digest(runner: Runner) -> str:
    """Return the sha256 of the image's memory.

    Raises:
        UnusableSessionError: Its files in the cache are not what they were.
    """
    about = sound(runner.located.image, "image")
    if about is None:
        raise UnusableSessionError("the files of the image in the cache were changed")
    return str(about["file"]["sha256"])


def _data_of(memory: SessionMemory, extents: Sequence[Extent]) -> Iterator[bytes]:
    for _, count, layer, place in extents:
        for start in range(0, count, _CHUNK_PAGES):
            yield memory.layers[layer].read(place + start, min(_CHUNK_PAGES, count - start))


def _own_folders(folders: SessionFolders) -> list[tuple[str, bool, GrantedFiles]]:
    """Return guest path, whether it is an overlay, and the files of each folder that is the session's own."""
    all_folders, scratch = folders.folders(), set(folders.scratch_indices())
    own: list[tuple[str, bool, GrantedFiles]] = []
    for index, descriptor in folders.brought():
        # By itself, so that what is granted inside of it is not looked into.
        alone = Folder("/", descriptor, writable=True)
        files = GrantedFiles(_lend(alone))
        own.append((all_folders[index].guest, index not in scratch, files))
    return own


def _lend(folder: Folder) -> Callable[[], contextlib.AbstractContextManager[Sequence[Folder]]]:
    return lambda: contextlib.nullcontext([folder])


def _save_folders(archive: zipfile.ZipFile, folders: SessionFolders) -> tuple[list[dict[str, Any]], list[str]]:
    """Write the session's own files; return what they are, and guest paths of those that were left out."""
    told = []
    left_out: collections.deque[str] = collections.deque(maxlen=MAX_LOST_FILES)
    for number, (guest, is_overlay, files) in enumerate(_own_folders(folders)):
        paths: list[str] = []
        for path, is_sound in _walk(files, "/"):
            if not is_sound:
                left_out.append(encodable(guest.rstrip("/") + path))
                continue
            archive.writestr(f"{FOLDERS}/{number}/{len(paths)}", files.read(path, max_bytes=MAX_FILE_BYTES))
            paths.append(path[1:])
        told.append({"guest": guest, "overlay": is_overlay, "files": paths})
    return told, [*left_out]


def _walk(files: GrantedFiles, path: str) -> Iterator[tuple[str, bool]]:
    """Yield the paths of regular files, and False for what has a name that no archive should hold, folders as well."""
    for entry in files.list(path):
        if not is_inner_path(entry.path[1:]):
            yield entry.path, False
        elif entry.kind == "folder":
            yield from _walk(files, entry.path)
        elif entry.kind == "file":
            yield entry.path, True


# -- loading ----------------------------------------------------------------------------------------------------------


def load(path: str, sandbox: Sandbox | None, options: Mapping[str, Any]) -> Session:
    """Return a session that goes on where a saved one was.

    Raises:
        WasiHostError, OSError: As `Session.load`.
    """
    own = {name: value for name, value in options.items() if name in OWN_OPTIONS}
    others = {name: value for name, value in options.items() if name not in OWN_OPTIONS}
    if sandbox is not None and others:
        raise ConfigError(f"{min(others)} is for a sandbox that is made for the session, and one was given")
    bounds = Bounds(**own)
    name = os.path.basename(path)  # noqa: PTH119 - text
    with _opened(path, name) as file, _archive(file, name) as archive:
        head = _head_of(archive, name)
        made = None
        if sandbox is None:
            sandbox = made = _sandbox_for(head, others)
        try:
            return _take_in(archive, name, head, sandbox, made=made, bounds=bounds)
        except BaseException:
            if made is not None:
                made.close()
            raise


@contextlib.contextmanager
def _opened(path: str, name: str) -> Iterator[IO[bytes]]:
    # Without O_NONBLOCK, opening a FIFO would wait for somebody to write to it.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise InvalidSessionError(f"{name} is no file")
        yield file


@contextlib.contextmanager
def _archive(file: IO[bytes], name: str) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(file) as archive:
            yield archive
    except (ConfigError, UnusableSessionError):
        raise
    except _MALFORMED as error:
        raise InvalidSessionError(f"{name} is no saved session, or was damaged ({type(error).__name__})") from None


def _member(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    """Open a member that is packed as `save` packs: the other ways unpack any amount at a time.

    Raises:
        KeyError, NotImplementedError: There is none of that name, or it is packed otherwise.
    """
    info = archive.getinfo(name)
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise NotImplementedError
    return archive.open(info)


def _head_of(archive: zipfile.ZipFile, name: str) -> dict[str, Any]:
    with _member(archive, DESCRIPTION) as file:
        raw = file.read(MAX_DESCRIPTION_BYTES + 1)
    if len(raw) > MAX_DESCRIPTION_BYTES:
        raise InvalidSessionError(f"{name} has a description of more than {MAX_DESCRIPTION_BYTES} bytes")
    try:
        head = json.loads(raw)
    except (ValueError, RecursionError):
        head = None
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise InvalidSessionError(f"{name} is no saved session of this version")
    if not (is_runtime_name(head.get("runtime")) and is_image_name(head.get("image"))):
        raise InvalidSessionError(f"{name}: its description names a runtime or an image that cannot be")
    sound_head = (
        isinstance(head.get("image_sha256"), str)
        and isinstance(head.get("pages_sha256"), str)
        and _are_numbers(head.get("memory_bytes"), head.get("turns"), head.get("number"), head.get("unnamed"))
        and isinstance(head.get("started"), bool)
        and isinstance(head.get("lost"), list)
        and all(isinstance(entry, str) for entry in head["lost"])
    )
    if not sound_head:
        raise InvalidSessionError(f"{name}: its description makes no sense")
    return head


def _are_numbers(*values: object) -> bool:
    return all(type(value) is int and 0 <= value < 2**53 for value in values)


def _sandbox_for(head: Mapping[str, Any], options: Mapping[str, Any]) -> Sandbox:
    from wasihost.sandbox import Sandbox

    for name in ("runtime", "image"):
        if name in options:
            raise ConfigError(f"{name} is what the saved session names: {head[name]}")
    try:
        return Sandbox(runtime=head["runtime"], image=head["image"], **options)
    except TypeError as error:
        raise ConfigError(f"a sandbox cannot be made of these options: {error}") from None


def _take_in(
    archive: zipfile.ZipFile, name: str, head: dict[str, Any], sandbox: Sandbox, *, made: Sandbox | None, bounds: Bounds
) -> Session:
    home = sandbox.home()
    runner = home.runner
    setup = runner.setup
    if (head["runtime"], head["image"]) != (setup.runtime, setup.image):
        raise UnusableSessionError(
            f"{name} was saved on the image {head['image']} of {head['runtime']}, and this sandbox is on the image "
            f"{setup.image} of {setup.runtime}"
        )
    if head["image_sha256"] != image_digest(runner):
        raise UnusableSessionError(
            f"{name} was saved on another build of the image {setup.image} of {setup.runtime} than is here: a session "
            "goes on only where its image is the same to the byte (`wasirun image export` carries one over)"
        )
    needed, most = head["memory_bytes"], home.limits.memory_pages * WASM_PAGE_BYTES
    if needed > most:
        raise InvalidLimitsError(f"{name} holds {needed} bytes of memory, and the limit memory_bytes allows {most}")
    memory = new_memory(runner)
    folders = new_folders(runner)
    try:
        _fill(memory, archive, name, head, runner)
        lost = _load_folders(archive, name, head, folders)
        state = State(
            memory=memory,
            folders=folders,
            turns=head["turns"],
            number=head["number"],
            started=head["started"],
            renews=head["started"],
            files=read_files(head.get("files")),
            unnamed=min(head["unnamed"], MAX_OPEN_FILES_TOLD),
            lost=tuple([*head["lost"], *lost][-MAX_LOST_FILES:]),
        )
        return Session(
            runner,
            limits=home.limits,
            env=home.env,
            functions=home.functions,
            state=state,
            bounds=bounds,
            siblings=home.sessions,
            sandbox=made,
        )
    except BaseException:
        folders.close()
        memory.drop()
        raise


def _fill(memory: SessionMemory, archive: zipfile.ZipFile, name: str, head: Mapping[str, Any], runner: Runner) -> None:
    """Make a new memory what a file says."""
    nonsense = InvalidSessionError(f"{name}: its description of the memory makes no sense")
    layout, size = runner.layout, head["memory_bytes"]
    try:
        found = tuple((str(export), str(kind), int(value)) for export, kind, value in head["globals"])
        extents = [(page, pages) for page, pages in head["extents"]]
    except (KeyError, TypeError, ValueError):
        raise nonsense from None
    if size < layout.memory_bytes or size % WASM_PAGE_BYTES or not globals_fit(found, layout.globals):
        raise nonsense
    at = 0
    for page, pages in extents:
        if not _are_numbers(page, pages) or page < at or pages < 1 or (page + pages) * PAGE_BYTES > size:
            raise nonsense
        at = page + pages
    memory.memory_bytes, memory.globals = size, with_our_counters(found, layout.globals)
    layer, digest = memory.own_layer(), hashlib.sha256()
    with _member(archive, PAGES) as file:
        for page, pages in extents:
            for start in range(0, pages, _CHUNK_PAGES):
                count = min(_CHUNK_PAGES, pages - start)
                data = file.read(count * PAGE_BYTES)
                if len(data) != count * PAGE_BYTES:
                    raise InvalidSessionError(f"{name} holds less memory than it says: it was damaged or edited")
                digest.update(data)
                layer.write(page + start, data)  # the first of the two places of each page
            memory.pages.update((number, number) for number in range(page, page + pages))
        if file.read(1) or digest.hexdigest() != head["pages_sha256"]:
            raise InvalidSessionError(f"{name} holds another memory than it says: it was damaged or edited")


def _load_folders(archive: zipfile.ZipFile, name: str, head: Mapping[str, Any], folders: SessionFolders) -> list[str]:
    """Fill the session's own folders; return the guest paths of those that have no place here."""
    nonsense = InvalidSessionError(f"{name}: its description of the folders makes no sense")
    told = head.get("folders")
    if not isinstance(told, list):
        raise nonsense
    own = {(guest, is_overlay): files for guest, is_overlay, files in _own_folders(folders)}
    limits = folders.own_limits()
    lost = []
    for number, folder in enumerate(told):
        if not isinstance(folder, dict) or not isinstance(folder.get("guest"), str):
            raise nonsense
        paths = folder.get("files")
        if not isinstance(paths, list) or not all(isinstance(path, str) and is_inner_path(path) for path in paths):
            raise nonsense
        files = own.pop((folder["guest"], folder.get("overlay") is True), None)
        if files is None:
            lost.append(folder["guest"])
            continue
        most_bytes, most_files = limits[folder["guest"]]
        if len(paths) > most_files:
            raise InvalidLimitsError(
                f"{name} holds {len(paths)} files for {folder['guest']}, where {most_files} may be"
            )
        for entry in files.list("/"):
            files.remove(entry.path)
        for place, path in enumerate(paths):
            with _member(archive, f"{FOLDERS}/{number}/{place}") as file:
                data = file.read(most_bytes + 1)
            most_bytes -= len(data)
            if most_bytes < 0:
                raise InvalidLimitsError(f"{name} holds more for {folder['guest']} than may be there")
            files.write(f"/{path}", data)
    return lost
