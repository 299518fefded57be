"""Reports of checks: a line for each thing that was looked at, as soon as it is known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import click

from wasihost.cli import statuses
from wasihost.cli.text import one_line

OK: Final = "ok"
MISSING: Final = "no"
BAD: Final = "BAD"


class Finding(NamedTuple):
    """One line of the report; only what has to be mended is `BAD`."""

    label: str
    text: str
    mark: str = OK


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows in columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def print_findings(findings: Iterable[Finding]) -> int:
    """Print them as they come, and return the exit status: 1 when one is `BAD`."""
    status = 0
    for finding in findings:
        click.echo(f"{finding.mark:4} {finding.label:10} {one_line(finding.text)}")
        if finding.mark == BAD:
            status = statuses.CHECK_FAILED
    return status
