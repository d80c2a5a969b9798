"""What is told of an instance: its line of the status, and why it is not ready."""

from typing import Any

from mainstay.supervisor.context import Context
from mainstay.supervisor.launch import definition
from mainstay.supervisor.log import last_lines
from mainstay.supervisor.runner import SHOWN_LINES, Runner
from mainstay.supervisor.state import Exit
from mainstay.supervisor.unit import READY, RESTING, STARTING


def row(context: Context, runner: Runner) -> dict[str, Any]:
    """Give an instance's line of the status, as plain values; times are seconds since 1970 (UTC)."""
    unit, record, wall = runner.unit, runner.record, context.clock.wall()
    kept, last = context.state.instance(runner.post.instance), _last_exit(context, runner)
    probe = runner.watch.last if runner.watch is not None else None
    due = unit.due if unit.state is RESTING else None
    return {
        "service": runner.post.name,
        "instance": runner.post.instance,
        "zone": runner.post.zone,
        "generation": unit.generation,
        "pid": record.pid if record is not None else None,
        "port": runner.port.number if runner.port is not None else None,
        "state": _word(runner),
        "uptime": max(0.0, wall - record.since) if record is not None else None,
        "restarts": kept.restarts,
        "outdated": record is not None and record.definition != definition(runner.post.service),
        "last_exit": {"at": last.at, "reason": last.reason, "log": list(last.log)} if last else None,
        "last_probe": {"ok": probe.ok, "said": probe.said, "seconds": probe.seconds} if probe else None,
        "next_try": wall + due - context.clock.now() if due is not None else None,
    }


def why_not_ready(context: Context, runner: Runner) -> str:
    """Tell why an instance is not ready: the reason, what the last check said, and its last words."""
    last = _last_exit(context, runner)
    reason = runner.unit.late or (last.reason if last is not None else "it has not answered yet")
    lines = [f"{runner.post.instance} did not become ready: {reason}"]
    if runner.trouble is None:
        if runner.watch is not None and runner.watch.last is not None:
            said = runner.watch.last.said
            lines.append(f"last health check: {said}")
            if said == "connection refused" and runner.port is not None:
                lines.append(f"does it listen on 127.0.0.1:{runner.port.number}? that is where its PORT is")
        log = context.rundir.log(runner.post.instance)
        words = last.log if last is not None else []
        if runner.record is not None:
            words = last_lines(log, SHOWN_LINES, runner.record.log_from)
        lines.append(f"last output, in {log}:" if words else f"no output in {log}")
        lines += [f"    {line}" for line in words]
    return "\n".join(lines)


def _last_exit(context: Context, runner: Runner) -> Exit | None:
    exits = context.state.instance(runner.post.instance).exits
    return exits[-1] if exits else None


def _word(runner: Runner) -> str:
    state = runner.unit.state
    if state is RESTING:
        return "crash loop"
    if state in (STARTING, READY) and runner.watch is not None:
        if runner.watch.frozen:
            return "frozen"
        if state is READY:
            return runner.watch.health.state.value
    return state.value
