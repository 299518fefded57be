"""Long work, drawn on a terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_DONE: Final = {
    "Compiling": "Compiled",
    "Downloading": "Downloaded",
    "Fetching": "Fetched",
    "Finding": "Found",
    "Making": "Made",
    "Starting": "Started",
    "Unpacking": "Unpacked",
    "Waiting": "Waited",
}


class Bars:
    """A `wasihost.progress.Progress` on standard error: a bar for bytes, a spinner with seconds for anything else."""

    def __init__(self) -> None:
        self._label = ""
        self._drawn: Progress | None = None
        self._task: TaskID | None = None

    def start(self, label: str, *, total_bytes: int | None = None, expected_seconds: float | None = None) -> None:
        """Draw the beginning."""
        from rich.console import Console  # 100 ms, and only when somebody waits longer than that
        from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self.stop()
        self._label = label
        columns = [SpinnerColumn(), TextColumn("{task.description}", markup=False)]
        if total_bytes is not None:
            columns += [BarColumn(), DownloadColumn()]
        else:
            columns.append(TimeElapsedColumn())
            if expected_seconds is not None:
                columns.append(TextColumn(f"of about {expected_seconds:.0f} s", markup=False))
        self._drawn = Progress(*columns, console=Console(file=sys.stderr), transient=True)
        self._task = self._drawn.add_task(label, total=total_bytes)
        self._drawn.start()

    def update(self, done_bytes: int) -> None:
        """Draw the amount."""
        if self._drawn is not None and self._task is not None:
            self._drawn.update(self._task, completed=done_bytes)

    def finish(self, seconds: float) -> None:
        """Leave one line behind; none when the work failed, which has a line of its own."""
        self.stop()
        if sys.exc_info()[0] is None:
            verb, _, rest = self._label.partition(" ")
            print(f"{_DONE.get(verb, verb)} {rest.removesuffix(', once')} in {seconds:.1f} s", file=sys.stderr)

    def stop(self) -> None:
        """Take the drawing off the terminal and show its cursor again."""
        if self._drawn is not None:
            self._drawn.stop()
            self._drawn = self._task = None
