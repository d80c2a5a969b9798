"""A drill, written as an experiment that Chaos Toolkit runs: by our command, whose verdict is its hypothesis."""

import re
from typing import Any

from mainstay import __version__
from mainstay.base.units import format_duration
from mainstay.drill.cell import Cell
from mainstay.drill.conductor import Times
from mainstay.drill.report import head
from mainstay.drill.stage.entry import Entry, entries
from mainstay.drill.toolkit.watch import NAME
from mainstay.system.schema import System

_STARTING = 120.0
"""Seconds for a private copy to come up and to go."""
_ASKING = 30.0


def file_name(cell: Cell) -> str:
    """Give a name for the experiment's file."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", f"{cell.kind.name}-{cell.target.name}") + ".json"


def experiment(system: System, cell: Cell, *, length: str, times: Times, live: bool) -> dict[str, Any]:
    """Write one drill.

    The method runs it. After that the hypothesis is checked: that its verdict is as the system file expects. Before it there would
    be no verdict yet; whether the system is well then is the drill's own first question.

    Args:
        system: The system that is drilled.
        cell: What is done to what.
        length: How long: `quick`, `standard` or `full`.
        times: What that is in seconds.
        live: Whether it is done to the running system.
    """
    limit = round(times.usual + 2 * times.recovery + _STARTING)
    which = ["--fault", cell.kind.name, "--target", cell.target.name]
    run = ["run", *which, "--json", *([f"--{length}"] if length != "standard" else [])]
    run += ["--live", "--yes"] if live else ["--isolated"]
    verdict = ["show", *which, "--within", format_duration(limit + 2 * _ASKING)]
    return {
        "title": f"Users do not notice: {cell.target.name}, {cell.kind.title}",
        "description": f"{cell.kind.does} Users come all the while, and their failed requests are counted.",
        "tags": [NAME, cell.kind.name, cell.kind.family],
        "contributions": {"availability": "high"},
        "configuration": {"mainstay_file": {"type": "env", "key": "MAINSTAY_FILE", "default": str(system.file)}},
        "runtime": {
            "hypothesis": {"strategy": "after-method-only"},
            "rollbacks": {"strategy": "always"},
        },
        "steady-state-hypothesis": {
            "title": "What users saw is what the system file expects",
            "probes": [
                {"type": "probe", "name": "the verdict is as expected", "tolerance": 0, "provider": _ours(verdict, _ASKING)},
                *(_answers(entry) for entry in entries(system) if live),
            ],
        },
        "method": [{"type": "action", "name": f"drill {cell.name}", "provider": _ours(run, limit)}],
        "rollbacks": [{"type": "action", "name": "undo whatever is left", "provider": _ours(["undo"], _ASKING)}],
        "extensions": [
            {
                "name": NAME,
                "version": 1,
                "mainstay": __version__,
                "system": system.name,
                **head(cell),
                "does": cell.kind.does,
                "undone": cell.kind.undone,
            }
        ],
    }  # fmt: skip


def _ours(words: list[str], limit: float) -> dict[str, Any]:
    arguments = ["drill", *words, "--file", "${mainstay_file}"]
    return {"type": "process", "path": "mainstay", "arguments": arguments, "timeout": limit}


def _answers(entry: Entry) -> dict[str, Any]:
    """Ask an entry point of the running system, as its users do."""
    path = next((path for _, path in entry.ways), "/")
    provider: dict[str, Any] = {
        "type": "http",
        "url": entry.url + path,
        "headers": {"Host": entry.host},
        "timeout": 5,
    }
    if entry.url.startswith("https:"):
        provider["verify_tls"] = False
    tolerance = {"type": "range", "range": [200, 399], "target": "status"}
    return {"type": "probe", "name": f"{entry.name} answers", "tolerance": tolerance, "provider": provider}
