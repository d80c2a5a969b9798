"""`mainstay upgrade`: from the program that runs to the one that is installed now."""

import os
import select
import time
from typing import Any

from mainstay.base.errors import EnvironmentProblem, NotRunning
from mainstay.cli import option, show
from mainstay.cli.talk import ask, left_over
from mainstay.supervisor.rundir import RunDir

_PATIENCE = 300.0
_PAUSE = 0.1


def upgrade(file: option.File = None, run_dir: option.Run = None, json: option.Json = False) -> None:
    """Go over to the version of Mainstay that is installed now, without losing a request.

    The supervisor becomes it, and each gateway worker gives its place to a new one. Instances are not touched. Would
    the installed version not run this system, all stays as it was.
    """
    run = option.run_dir(file, run_dir)
    holder = run.holder()
    answer = ask(run, "/v1/upgrade", {}, timeout=None)
    fact = _outcome(run, holder, answer["at"])
    if fact["fact"] == "UpgradeFailed":
        raise EnvironmentProblem(
            f"the supervisor is {fact['after']} now, and gateway workers are {fact['before']} still:"
            f" {fact['reason']}; `mainstay upgrade` tries again"
        )
    if json:
        show.data({"version": 1, "upgraded": True, "before": fact["before"], "after": fact["after"]})
    else:
        show.news(f"upgraded from {fact['before']} to {fact['after']}: supervisor and gateway workers")


def _outcome(run: RunDir, holder: int | None, since: float) -> dict[str, Any]:
    """Wait until the new program tells how it went; while it is loaded nobody answers."""
    watched = os.pidfd_open(holder) if holder else None
    until = time.monotonic() + _PATIENCE
    try:
        while time.monotonic() < until:
            for fact in _facts(run):
                if fact["fact"] in ("Upgraded", "UpgradeFailed") and fact["at"] >= since:
                    return fact
            if watched is None:
                time.sleep(_PAUSE)
            elif select.select([watched], [], [], _PAUSE)[0]:
                raise NotRunning(_ended(run))
    finally:
        if watched is not None:
            os.close(watched)
    raise NotRunning(
        f"the upgrade is not done after {_PATIENCE:.0f} s; `mainstay status` shows how it stands"
    )


def _ended(run: RunDir) -> str:
    if not left_over(run):
        return "the system was stopped"
    return (
        f"the supervisor ended: {run.log('supervisor')}, or its terminal, tells why;"
        " all goes on without it, and `mainstay up` takes it over"
    )


def _facts(run: RunDir) -> list[dict[str, Any]]:
    try:
        told: list[dict[str, Any]] = ask(run, "/v1/facts")["facts"]
    except NotRunning:
        return []
    return told
