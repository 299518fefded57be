"""What a parent sees of the disk, in case its worker is not its own master any more and does not count."""

from __future__ import annotations

import time
from collections.abc import Sequence

from wasihost.capabilities.usage import DiskAccount, FolderLimit, Usage


class _TooLateError(Exception):
    """Ends a look that would outlast the run."""


class Lookout:
    """Looks at what one run has stored, now and then.

    What is there at the first look counts as found there. A run that is over before costs nothing but this object.
    Folders that cannot be measured, or hold more than `MAX_MEASURED_FILES` at the first look, are not judged unless
    they have a limit of their own.

    Args:
        folders: As for `DiskAccount`.
        disk_bytes: Likewise.
        disk_files: Likewise.
    """

    __slots__ = ("_account", "_asked", "_left")

    def __init__(self, folders: Sequence[tuple[int, FolderLimit | None]], *, disk_bytes: int, disk_files: int) -> None:
        self._asked = folders, disk_bytes, disk_files
        self._account: DiskAccount | None = None
        self._left = Usage(0, 0)

    def look(self, until: float) -> str | None:
        """Measure, and return a sentence that says why the run must end, None when it may go on.

        Args:
            until: `time.monotonic()` at which to stop measuring: the run is over then anyway.
        """
        if self._account is None:
            folders, disk_bytes, disk_files = self._asked
            self._account = DiskAccount(folders=folders, disk_bytes=disk_bytes, disk_files=disk_files)

        def pause() -> None:
            if time.monotonic() >= until:
                raise _TooLateError

        try:
            # Nothing of the last answer counts as used: what was stored is what is seen.
            answer = self._account.allows(0, 0, unused=self._left, pause=pause)
        except _TooLateError:
            return None
        if isinstance(answer, str):
            return answer
        self._left = answer
        return None
