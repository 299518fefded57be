"""A result in the two forms that programs read: `--json` and `--stats`."""

from __future__ import annotations

import json

from wasihost.result import Outcome, RunResult


def result_json(result: RunResult) -> str:
    """Return the result as one JSON object, in ASCII and on one line."""
    error = result.error
    return json.dumps(
        {
            "outcome": result.outcome.name,
            "exit_code": result.exit_code,
            "stdout": result.stdout,
            "stderr": result.stderr,
            "value": result.value,
            "error": error and {"type": error.type, "message": error.message, "traceback": error.traceback},
            "detail": result.detail,
            "denials": [{"kind": denial.kind, "target": denial.target} for denial in result.denials],
            "fuel_consumed": result.fuel_consumed,
            "memory_peak_bytes": result.memory_peak_bytes,
            "wall_seconds": round(result.wall_seconds, 6),
            "cpu_seconds": round(result.cpu_seconds, 6),
            "truncated": result.truncated,
            "stdout_omitted_bytes": result.stdout_omitted_bytes,
            "stderr_omitted_bytes": result.stderr_omitted_bytes,
            "walls": [*result.walls],
            "files_changed": [
                {"kind": change.kind, "path": change.path, "size_bytes": change.size_bytes}
                for change in result.files_changed
            ],
            "files_changed_omitted": result.files_changed_omitted,
        }
    )


def stats_line(result: RunResult) -> str:
    """Return what a run took, as `name=value` words."""
    outcome = result.outcome.name
    if result.outcome is Outcome.EXITED:
        outcome += f" exit_code={result.exit_code}"
    fuel = "unmetered" if result.fuel_consumed is None else result.fuel_consumed
    return (
        f"outcome={outcome} wall_ms={result.wall_seconds * 1000:.1f} cpu_ms={result.cpu_seconds * 1000:.1f} "
        f"fuel={fuel} memory_bytes={result.memory_peak_bytes}"
    )
