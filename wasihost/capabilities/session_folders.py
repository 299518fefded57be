"""The folders of one session: its own scratch folders and overlays, which last over its turns, and the shared ones.

An overlay is copied once more before a turn that may have to be undone. Undoing the turn makes that copy the overlay.
Nothing else can be undone; what was written elsewhere is reported.
"""

from __future__ import annotations

import contextlib
import os
import weakref
from collections.abc import Sequence
from typing import Final

from wasihost.capabilities.comparing import Changes
from wasihost.capabilities.granted_files import Folder
from wasihost.capabilities.overlay import (
    MAX_OVERLAY_BYTES,
    MAX_OVERLAY_FILES,
    OverlayCopy,
    changes_of_originals,
    make_copy,
)
from wasihost.capabilities.paths import OpenedPreopen
from wasihost.capabilities.preopen import shown
from wasihost.capabilities.scratch import PrivateFolder, make_private_folder
from wasihost.capabilities.written import file_time_ns, written_since
from wasihost.errors import ClosedError, InvalidPreopenError

_NOTHING: Final = Changes(())
_ADVICE: Final = "remove some of it"


class SessionFolders:
    """The folders of one session, not to be used by two threads at a time.

    Each scratch folder of the sandbox is an empty one of the session's own, each overlay a copy of its own; other
    directories are shared as they are. The session's own ones lie in a private folder of the host, and are removed when
    this is closed, at the latest when it is collected or the process ends; a forked child never removes its parent's.

    Args:
        entries: The directories of the sandbox. They stay open as long as this is used.
        room: Descriptor of the private folder of the host; likewise. O_PATH is enough.
        copy_of: The folders of a session of the same sandbox that this one is a fork of: it gets copies of that one's
            scratch folders and overlays, as they are now. What its turns change is told against that.

    Raises:
        InvalidPreopenError: A folder cannot be made or copied, as in `make_copy`. A scratch folder is only copied if
            it fits its own limits with each hard link as a file of its own. Nothing is left.
        ClosedError: `copy_of` is closed.
    """

    def __init__(self, entries: Sequence[OpenedPreopen], room: int, *, copy_of: SessionFolders | None = None) -> None:
        self._entries = tuple(entries)
        self._room = room
        self._own: dict[int, PrivateFolder] = {}
        self._backups: dict[int, OverlayCopy] = {}
        self._is_prepared = False
        self._start_ns = 0
        self._finalizer = weakref.finalize(self, _release, self._own, self._backups, os.getpid())
        self._writable = [index for index, entry in enumerate(self._entries) if entry.writable and not entry.overlay]
        self._overlays = [index for index, entry in enumerate(self._entries) if entry.overlay]
        try:
            copied = {} if copy_of is None else dict(copy_of.brought())
            for index in sorted((*self.scratch_indices(), *self._overlays)):
                self._own[index] = self._make(self._entries[index], copied.get(index))
        except BaseException:
            self.close()
            raise

    def folders(self) -> list[Folder]:
        """Return one folder for each directory of the sandbox, in that order, for `GrantedFiles`.

        Raises:
            ClosedError: This was closed.
        """
        self._check_open()
        return [
            Folder(entry.guest, self._descriptor(index), entry.writable or entry.overlay)
            for index, entry in enumerate(self._entries)
        ]

    def brought(self) -> list[tuple[int, int]]:
        """Return the index in the sandbox's directories and the descriptor of each that is the session's own.

        A turn that is rolled back closes descriptors of overlays and opens others.

        Raises:
            ClosedError: This was closed.
        """
        self._check_open()
        return [(index, folder.descriptor) for index, folder in self._own.items()]

    def scratch_indices(self) -> list[int]:
        """Return the index of each scratch folder in the sandbox's directories."""
        return [index for index, entry in enumerate(self._entries) if entry.limit is not None]

    def own_limits(self) -> dict[str, tuple[int, int]]:
        """Return how many bytes and files each of the session's own folders may hold, by guest path."""
        found = {}
        for index in self._own:
            entry = self._entries[index]
            limit = entry.limit
            found[entry.guest] = (
                (MAX_OVERLAY_BYTES, MAX_OVERLAY_FILES) if limit is None else (limit.disk_bytes, limit.disk_files)
            )
        return found

    def before_turn(self) -> None:
        """Make sure that what a turn does to the overlays can be undone, and remember when it starts.

        An overlay is looked through, and copied if it changed since it was copied last.

        Raises:
            InvalidPreopenError: An overlay cannot be copied, as in `make_copy`: it became too large, or there is no
                room. The turn must not take place.
            ClosedError: This was closed.
        """
        self._check_open()
        self._is_prepared = False
        for index in self._overlays:
            backup = self._backups.get(index)
            if backup is not None:
                if backup.is_up_to_date():
                    continue
                # First, so that there are never three at a time.
                self._backups.pop(index).remove()
            self._backups[index] = make_copy(
                self._own[index].descriptor, self._room, guest=self._entries[index].guest, advice=_ADVICE
            )
        if self._writable:
            self._start_ns = file_time_ns()
        self._is_prepared = True

    def after_turn(self, *, rolled_back: bool) -> Changes:
        """Return what the turn did, after undoing it where it was rolled back. Nothing, if `before_turn` failed.

        Args:
            rolled_back: Whether the turn shall not have been. The overlays that it changed become what they were, with
                other descriptors.

        Returns:
            What the turn did to the overlays; if it was rolled back, what it wrote to other folders instead, see
            `written_since`.

        Raises:
            ClosedError: This was closed.
        """
        self._check_open()
        is_prepared, self._is_prepared = self._is_prepared, False
        if not is_prepared:
            return _NOTHING
        if not rolled_back:
            return changes_of_originals(list(self._backups.values())) if self._backups else _NOTHING
        for index, backup in list(self._backups.items()):
            if backup.is_up_to_date():
                continue
            # The copy itself, not another one: this cannot fail, and there may be no other turn.
            overlay, self._own[index] = self._own[index], self._backups.pop(index)
            backup.forget()
            overlay.remove()
        folders = [(self._entries[index].guest, self._descriptor(index)) for index in self._writable]
        return written_since(folders, self._start_ns) if folders else _NOTHING

    def close(self) -> None:
        """Remove the session's own folders, once, however often it is called. Never raises for what a guest left."""
        self._finalizer()

    def _make(self, entry: OpenedPreopen, copied: int | None) -> PrivateFolder:
        if entry.limit is None:
            copy = make_copy(entry.descriptor if copied is None else copied, self._room, guest=entry.guest)
        elif copied is None:
            try:
                name, descriptor = make_private_folder(self._room, "scratch")
            except OSError as error:
                reason = error.strerror or error
                raise InvalidPreopenError(f"scratch {shown(entry.guest)}: cannot be made ({reason})") from error
            return PrivateFolder(parent=self._room, name=name, descriptor=descriptor)
        else:
            copy = make_copy(
                copied,
                self._room,
                guest=entry.guest,
                max_bytes=entry.limit.disk_bytes,
                max_files=entry.limit.disk_files,
                kind="scratch",
                advice=_ADVICE,
            )
        copy.forget()
        return copy

    def _descriptor(self, index: int) -> int:
        own = self._own.get(index)
        return self._entries[index].descriptor if own is None else own.descriptor

    def _check_open(self) -> None:
        if not self._finalizer.alive:
            raise ClosedError("the folders of this session were closed before")


def _release(own: dict[int, PrivateFolder], backups: dict[int, OverlayCopy], owner: int) -> None:
    for folder in (*own.values(), *backups.values()):
        with contextlib.suppress(OSError):  # closed by somebody else: nothing left to do
            if os.getpid() == owner:
                folder.remove()
            else:
                folder.release()
