"""What a run may store: the answer to a guest that is about to store more than was counted for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from wasihost.capabilities.usage import DiskAccount, FolderLimit
from wasihost.engine.ending import Ending, Stop
from wasihost.engine.instance import GuestStoppedError

if TYPE_CHECKING:
    from wasihost.engine.instance import Guest


def disk_hook(
    folders: Sequence[tuple[int, FolderLimit | None]], *, disk_bytes: int, disk_files: int
) -> Callable[[Guest, int, int], bool] | None:
    """Return what a guest's counters ask when they are used up; None when it can store nothing.

    Args:
        folders: The writable folders of the run, open, with the limits of their own that some have.
        disk_bytes: Bytes that the run may add to all of them together.
        disk_files: Files, folders and links that it may add.
    """
    if not folders:
        return None
    account = DiskAccount(folders=folders, disk_bytes=disk_bytes, disk_files=disk_files)

    def ask(guest: Guest, more_bytes: int, more_files: int) -> bool:
        def pause() -> None:
            if guest.must_stop():
                raise GuestStoppedError

        unused = guest.get_global("wasihost:disk_left"), guest.get_global("wasihost:files_left")
        answer = account.allows(more_bytes, more_files, unused=unused, pause=pause)
        if isinstance(answer, str):
            guest.stop = Stop(Ending.DISK_LIMIT, answer)
            raise GuestStoppedError
        guest.set_global("wasihost:disk_left", "i64", answer.bytes)
        guest.set_global("wasihost:files_left", "i32", answer.files)
        return True

    return ask
