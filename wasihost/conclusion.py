"""From what came of a run, in bytes and numbers, to the result that users get."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wasihost.engine.ending import End, Ending, Execution
from wasihost.image.protocol import Reply, decode_reply
from wasihost.limits import Limits
from wasihost.result import Outcome, RunResult

if TYPE_CHECKING:
    from wasihost.capabilities.comparing import Changes
    from wasihost.image.turn_protocol import TurnReply

OUTCOMES: Final[dict[Ending, Outcome]] = {
    Ending.RETURNED: Outcome.EXITED,
    Ending.EXITED: Outcome.EXITED,
    Ending.OUT_OF_FUEL: Outcome.OUT_OF_FUEL,
    Ending.DEADLINE: Outcome.DEADLINE_EXCEEDED,
    Ending.CANCELLED: Outcome.CANCELLED,
    Ending.OUTPUT_LIMIT: Outcome.OUTPUT_LIMIT,
    Ending.DISK_LIMIT: Outcome.DISK_LIMIT,
    Ending.HOST_CALL_LIMIT: Outcome.HOST_CALL_LIMIT,
    Ending.CRASHED: Outcome.GUEST_CRASHED,
    Ending.HOST_FAILED: Outcome.HOST_FAILED,
    Ending.FROZEN: Outcome.HOST_FAILED,
}
"""Every way in which wasm ends, as an outcome (tested to be complete)."""
LEFT: Final = "the turn ended the interpreter itself (os._exit), so the session is what it was before"


def conclude(execution: Execution, limits: Limits, walls: tuple[str, ...]) -> RunResult:
    """Return the result of a run."""
    end = execution.end
    outcome, detail = OUTCOMES[end.ending], end.detail
    reply: Reply | None = None
    if end.ending is Ending.RETURNED:
        try:
            reply = decode_reply(execution.reply or b"", value_bytes=limits.value_bytes)
        except ValueError as error:
            outcome, detail = Outcome.GUEST_CRASHED, str(error)
    exit_code = None
    if outcome is Outcome.EXITED:
        exit_code = end.exit_code if reply is None else reply.exit_code
    return RunResult(
        outcome=outcome,
        exit_code=exit_code,
        stdout_bytes=execution.stdout[0],
        stderr_bytes=execution.stderr[0],
        value=reply.value if reply else None,
        error=reply.error if reply else None,
        detail="" if outcome is Outcome.EXITED else _sentence(end, detail, limits),
        denials=reply.denials if reply else (),
        fuel_consumed=execution.fuel_consumed,
        memory_peak_bytes=execution.memory_bytes,
        wall_seconds=execution.wall_seconds,
        cpu_seconds=execution.cpu_seconds,
        stdout_omitted_bytes=execution.stdout[1],
        stderr_omitted_bytes=execution.stderr[1],
        walls=walls,
    )


def read_turn(execution: Execution, limits: Limits) -> tuple[Execution, TurnReply | None]:
    """Return what the guest said of its turn. Without that, the turn is to be undone, and the execution says why."""
    from wasihost.image.turn_protocol import decode_turn_reply  # runs do without

    if execution.end.ending is not Ending.RETURNED or execution.checkpoint is None:
        return execution, None
    try:
        said = decode_turn_reply(
            execution.reply or b"", value_bytes=limits.value_bytes, display_bytes=limits.display_bytes
        )
    except ValueError as error:
        return execution._replace(end=End(Ending.CRASHED, str(error))), None
    return execution, said


def conclude_turn(
    execution: Execution, said: TurnReply | None, changes: Changes, *, limits: Limits, walls: tuple[str, ...]
) -> RunResult:
    """Return the result of a turn, after `read_turn`."""
    end = execution.end
    outcome, reply, detail = OUTCOMES[end.ending], None if said is None else said.reply, ""
    exit_code = None if outcome is not Outcome.EXITED else end.exit_code if reply is None else reply.exit_code
    if said is None:
        detail = LEFT if outcome is Outcome.EXITED else _sentence(end, end.detail, limits)
    return RunResult(
        outcome=outcome,
        exit_code=exit_code,
        stdout_bytes=execution.stdout[0],
        stderr_bytes=execution.stderr[0],
        value=reply.value if reply else None,
        text=said.text if said else None,
        displays=said.displays if said else (),
        displays_omitted=said.displays_omitted if said else 0,
        rolled_back=said is None,
        error=reply.error if reply else None,
        detail=detail,
        denials=reply.denials if reply else (),
        fuel_consumed=execution.fuel_consumed,
        memory_peak_bytes=execution.memory_bytes,
        wall_seconds=execution.wall_seconds,
        cpu_seconds=execution.cpu_seconds,
        stdout_omitted_bytes=execution.stdout[1],
        stderr_omitted_bytes=execution.stderr[1],
        files_changed=changes.files,
        files_changed_omitted=changes.omitted,
        walls=walls,
    )


def _sentence(end: End, detail: str, limits: Limits) -> str:
    if end.ending is Ending.OUT_OF_FUEL:
        return f"the run used up its fuel of {limits.fuel} instructions"
    if end.ending is Ending.DEADLINE:
        return f"the run was still going at its deadline of {limits.deadline_seconds:g} s"
    if end.ending is Ending.HOST_CALL_LIMIT:
        return f"the run made more than {limits.host_calls} calls to the host"
    return detail or end.ending.value
