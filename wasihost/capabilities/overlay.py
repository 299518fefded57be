"""Private copies of granted directories: what a guest may change where the original must stay as it is.

A copy is made for one run (`copying`), compared with what it was when it was made (`comparing`), and removed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Final

from wasihost.capabilities.comparing import MAX_CHANGES, Changes, Comparison, is_as_copied
from wasihost.capabilities.copying import CopiedFolder, Copying
from wasihost.capabilities.places import identity_of
from wasihost.capabilities.preopen import shown
from wasihost.capabilities.scratch import PrivateFolder, make_private_folder
from wasihost.errors import InvalidPreopenError
from wasihost.result import FileChange

MAX_OVERLAY_BYTES: Final = 2**30
"""What is copied for one overlay at most, by the sizes of files."""
MAX_OVERLAY_FILES: Final = 100_000
MAX_CONTENT_BYTES: Final = 16 * 2**20
"""Contents kept with the changes of a run, together."""


class OverlayCopy(PrivateFolder):
    """One copy of one directory. Whoever has it calls `remove` when the run is over."""

    __slots__ = ("_finished_ns", "_guest", "_original", "_record", "_started_ns")

    def __init__(self, *, guest: str, original: int, parent: int, name: str, descriptor: int) -> None:
        super().__init__(parent=parent, name=name, descriptor=descriptor)
        self._guest = guest
        self._original = original
        self._record = CopiedFolder()
        # The folder is new. What is written from now on to an original on the same file system has no earlier time.
        self._started_ns = os.fstat(descriptor).st_ctime_ns
        self._finished_ns = 0

    def finish(self, record: CopiedFolder) -> None:
        """Remember what was copied, and when: what is written from now on does not have an earlier time of change."""
        self._record = record
        # By the clock of the file system, which may stand still for milliseconds: the times of the top folder were set
        # last.
        self._finished_ns = os.fstat(self.descriptor).st_ctime_ns

    def changes(self, *, content_bytes: int = MAX_CONTENT_BYTES) -> Changes:
        """Compare the copy with what it was; call it when the run is over.

        A file counts as changed when its content differs; where only times differ or could deceive, it is compared with
        the original, byte by byte, or counts as changed if the original is not what was copied any more.

        Args:
            content_bytes: How many bytes of new content may be kept.
        """
        return self._compared(Comparison(self._guest, self._original, self._finished_ns, content_bytes))

    def changes_of_original(self, *, content_bytes: int = MAX_CONTENT_BYTES) -> Changes:
        """Compare the original with what it was when it was copied; it lies on the file system of the copy.

        Where only times differ or could deceive, a file is compared with the copy, which nobody writes to.

        Args:
            content_bytes: How many bytes of new content may be kept.
        """
        return self._compared(
            Comparison(self._guest, self.descriptor, self._started_ns, content_bytes, of_original=True)
        )

    def is_up_to_date(self) -> bool:
        """Whether the original is what was copied, times and empty folders included.

        The original lies on the file system of the copy. What cannot be told by times or looked through counts as
        changed.
        """
        try:
            return is_as_copied(self._original, self._record, self._started_ns)
        except OSError:
            return False

    def forget(self) -> None:
        """Give back the memory of what was copied; nobody will ask for changes."""
        self._record = CopiedFolder()

    def _compared(self, comparison: Comparison) -> Changes:
        try:
            comparison.walk(self._original if comparison.of_original else self.descriptor, self._record)
        except OSError as error:
            import logging  # only a failure needs it

            comparison.omitted += 1
            logging.getLogger(__name__).warning(
                "the overlay %r cannot be looked through (%s)", self._guest, error.strerror or error
            )
        return comparison.result()


def make_copy(
    original: int,
    parent: int,
    *,
    guest: str,
    max_bytes: int = MAX_OVERLAY_BYTES,
    max_files: int = MAX_OVERLAY_FILES,
    kind: str = "overlay",
    advice: str = "grant a smaller folder",
) -> OverlayCopy:
    """Copy a directory for one run or one session.

    Regular files are copied as clones where the file system can do that (so that they take no room until they are
    changed), each hard link as a file of its own; symbolic links as links, folders with what is in them or mounted on
    them. Anything else is left out. Times are kept, modes are not: everything belongs to this user alone.

    Args:
        original: Descriptor of the directory; O_PATH is enough. It has to stay open until the copy is removed.
        parent: Descriptor of the private folder of the host that the copy is made in; likewise.
        guest: Where the guest finds it; for messages and for the paths of changes.
        max_bytes: What may be copied, by the sizes of files.
        max_files: Likewise, in files, folders and links.
        kind: What is copied, as messages call it and the name of the copy starts.
        advice: What the message about a folder that holds more says to do.

    Raises:
        InvalidPreopenError: The directory holds more, a file in it cannot be read, it changes in an odd way meanwhile,
            or there is no room for the copy; nothing is left of the copy.
    """
    label = f"{kind} {shown(guest)}"
    try:
        name, descriptor = make_private_folder(parent, kind)
    except OSError as error:
        raise InvalidPreopenError(f"{label}: cannot be copied ({error.strerror or error})") from error
    copy = OverlayCopy(guest=guest, original=original, parent=parent, name=name, descriptor=descriptor)
    try:
        copies = identity_of(os.fstat(parent))
        copy.finish(Copying(label, max_bytes, max_files, copies, advice).run(original, descriptor))
    except BaseException:
        copy.remove()
        raise
    return copy


def changes_of(copies: Sequence[OverlayCopy]) -> Changes:
    """Return what a run did to all its overlays, within the bounds for one run."""
    return _gathered([copy.changes for copy in copies])


def changes_of_originals(copies: Sequence[OverlayCopy]) -> Changes:
    """Return what became of the originals of all these copies, within the bounds for one run."""
    return _gathered([copy.changes_of_original for copy in copies])


def _gathered(comparisons: Sequence[Callable[..., Changes]]) -> Changes:
    room, omitted = MAX_CONTENT_BYTES, 0
    files: list[FileChange] = []
    for compare in comparisons:
        changes = compare(content_bytes=room)
        files += changes.files
        omitted += changes.omitted
        room -= sum(len(change.content or b"") for change in changes.files)
    return cut(files, omitted)


def cut(files: list[FileChange], omitted: int = 0) -> Changes:
    """Sort changes and return as many as are listed; the others are counted."""
    files.sort(key=lambda change: (change.path, change.kind))
    return Changes(tuple(files[:MAX_CHANGES]), omitted + len(files[MAX_CHANGES:]))
