"""Commands to a running system: status, restart, scale, down."""

import asyncio
import os
import select
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import typer

from mainstay.base.errors import MainstayError, NotRunning, SystemFileError
from mainstay.cli import option, show
from mainstay.cli.talk import ask, left_over
from mainstay.control import Control
from mainstay.supervisor.rundir import RunDir
from mainstay.supervisor.supervisor import MOST
from mainstay.system.load import load
from mainstay.system.schema import Service, System

_STOP_TIME = 120.0


def status(file: option.File = None, run_dir: option.Run = None, json: option.Json = False) -> None:
    """Show services and instances: state, restarts and why, traffic, latency, CPU, memory."""
    state = ask(option.run_dir(file, run_dir), "/v1/status")
    if json:
        show.data(state)
    else:
        show.status(state)


def reload(
    file: option.File = None,
    run_dir: option.Run = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would change, and change nothing.")
    ] = False,
    json: option.Json = False,
) -> None:
    """Read the system file again and apply what has changed, without losing a request.

    What is not changed is not touched. Is the file wrong, or does something new not become ready, all stays as it was.
    """
    run = option.run_dir(file, run_dir)
    answer = ask(run, "/v1/reload", {"dry_run": dry_run}, timeout=None)
    if json:
        show.data(answer)
    else:
        show.changes(answer["changes"], done=not dry_run)


def restart(
    services: Annotated[
        list[str],
        typer.Argument(metavar="SERVICE...", help="The services whose instances are to be replaced."),
    ],
    file: option.File = None,
    run_dir: option.Run = None,
    json: option.Json = False,
) -> None:
    """Replace all instances of services, one service and one instance after another, each replacement ready first.

    The first service that cannot be restarted ends it: those before it are done, those after it are not begun.
    """
    run = option.run_dir(file, run_dir)
    if len(set(services)) < len(services):
        raise typer.BadParameter("each service only once")
    _refuse_unknown(run, services)
    answers = []
    for at, service in enumerate(services):
        try:
            answers.append(ask(run, f"/v1/services/{service}/restart", {}, timeout=None))
        except MainstayError:
            if services[1:]:
                done, left = (", ".join(some) or "none" for some in (services[:at], services[at + 1 :]))
                show.news(f"{service} failed; done before it: {done}; not begun: {left}")
            raise
        if not json:
            show.news(f"{service}: every instance has been replaced")
    if json:
        show.data({"version": 1, "restarted": answers})


def scale(
    targets: Annotated[
        list[str], typer.Argument(metavar="SERVICE=N...", help="How many instances each is to have.")
    ],
    file: option.File = None,
    run_dir: option.Run = None,
    json: option.Json = False,
) -> None:
    """Run more or fewer instances of a service, until `down`; the system file is not changed."""
    run = option.run_dir(file, run_dir)
    wanted = dict(map(_wanted, targets))
    if len(wanted) < len(targets):
        raise typer.BadParameter("each service only once")
    _refuse_unknown(run, wanted)
    answers = []
    for service, count in wanted.items():
        answers.append(ask(run, f"/v1/services/{service}/scale", {"instances": count}, timeout=None))
        if not json:
            show.news(f"{service}: {count} instance{'s' if count != 1 else ''}")
    if json:
        show.data({"version": 1, "scaled": answers})


def down(file: option.File = None, run_dir: option.Run = None, json: option.Json = False) -> None:
    """Stop everything: traffic first, then the services in reverse order of their needs."""
    run = option.run_dir(file, run_dir)
    holder = run.holder()
    if holder is None:
        if not left_over(run):
            raise NotRunning(f"nothing is running at '{run.path}'")
        stopped = _take_down(file, run)
    else:
        stopped = _stop(run, holder)
    if json:
        show.data({"version": 1, "stopped": stopped})
    else:
        show.news(f"stopped {stopped} process{'es' if stopped != 1 else ''}")


def _take_down(file: Path | None, run: RunDir) -> int:
    """End what a killed supervisor left; how gracefully, the system file tells if it can still be read."""
    try:
        system = load(file)
    except SystemFileError:
        system = System(services={"unknown": Service(command="true")})

    async def work() -> int:
        return await Control(system, run).take_down()

    run.take()
    try:
        return asyncio.run(work())
    finally:
        run.release()


def _stop(run: RunDir, holder: int) -> int:
    state = ask(run, "/v1/status")
    watched = os.pidfd_open(holder)
    try:
        ask(run, "/v1/stop", {})
        if not select.select([watched], [], [], _STOP_TIME)[0]:
            raise NotRunning(
                f"supervisor {holder} was told to stop and is still running after {_STOP_TIME:.0f}s"
            )
    finally:
        os.close(watched)
    return 1 + len(state["workers"]) + sum(row["pid"] is not None for row in state["instances"])


def _refuse_unknown(run: RunDir, services: Iterable[str]) -> None:
    """Look at all of them before any is changed."""
    known = [row["service"] for row in ask(run, "/v1/status")["services"]]
    for service in services:
        if service not in known:
            near = get_close_matches(service, known, 1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            raise typer.BadParameter(f"no service '{service}'; there are: {', '.join(known)}{hint}")


def _wanted(target: str) -> tuple[str, int]:
    service, equals, count = target.partition("=")
    if not service or not equals or not count.isascii() or not count.isdigit():
        raise typer.BadParameter(f"'{target}' is not SERVICE=N, like web=5")
    if not 1 <= int(count) <= MOST:
        raise typer.BadParameter(f"instances of {service} must be from 1 to {MOST}, not {count}")
    return service, int(count)
