"""Commands to a running system: status, restart, scale, down."""

import os
import select
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Annotated, Any

import typer

from mainstay.base.errors import MainstayError, NotRunning, SpecError
from mainstay.base.units import format_duration, parse_duration
from mainstay.cli import option, show
from mainstay.cli.talk import ask, left_over
from mainstay.redundancy.canary import LONGEST, MOST_REQUESTS
from mainstay.supervisor.plan import MOST
from mainstay.supervisor.rundir import RunDir

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


def restart(  # noqa: PLR0913, PLR0917 - its options; typer passes them by name
    services: Annotated[
        list[str],
        typer.Argument(metavar="SERVICE...", help="The services whose instances are to be replaced."),
    ],
    canary: Annotated[
        bool,
        typer.Option(
            "--canary",
            help="Watch the first new instance beside the old ones, and take it back if it is worse.",
        ),
    ] = False,
    watch: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION",
            help="With --canary: how long to watch it at most; 30s unless told.",
            show_default=False,
        ),
    ] = None,
    requests: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=MOST_REQUESTS,
            metavar="N",
            help="With --canary: requests that it must have had, or else it is taken back; 100 unless told. 0: it only has to live.",
            show_default=False,
        ),
    ] = None,
    file: option.File = None,
    run_dir: option.Run = None,
    json: option.Json = False,
) -> None:
    """Replace all instances of services, one service and one instance after another, each replacement ready first.

    The first service that cannot be restarted ends it: those before it are done, those after it are not begun.
    """
    asked = _trial(canary=canary, watch=watch, requests=requests)
    run = option.run_dir(file, run_dir)
    if len(set(services)) < len(services):
        raise typer.BadParameter("each service only once")
    _refuse_unknown(run, services)
    answers = []
    for at, service in enumerate(services):
        try:
            answers.append(ask(run, f"/v1/services/{service}/restart", asked, timeout=None))
        except MainstayError:
            if services[1:]:
                done, left = (", ".join(some) or "none" for some in (services[:at], services[at + 1 :]))
                show.news(f"{service} failed; done before it: {done}; not begun: {left}")
            raise
        if not json:
            if canary:
                show.trial(answers[-1]["canary"])
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
        # Half a second to read, and most of those who ask have a supervisor that does the work.
        from mainstay.cli.leftover import take_down  # noqa: PLC0415

        stopped = take_down(file, run)
    else:
        stopped = _stop(run, holder)
    if json:
        show.data({"version": 1, "stopped": stopped})
    else:
        show.news(f"stopped {stopped} process{'es' if stopped != 1 else ''}")


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


def _trial(*, canary: bool, watch: str | None, requests: int | None) -> dict[str, Any]:
    """Give what is asked of a restart."""
    if not canary:
        if watch is not None or requests is not None:
            raise typer.BadParameter("--watch and --requests are for --canary")
        return {}
    told: dict[str, Any] = {}
    if requests is not None:
        told["requests"] = requests
    if watch is not None:
        try:
            told["watch"] = parse_duration(watch)
        except SpecError as problem:
            raise typer.BadParameter(f"--watch: {problem}") from None
        if not 0 < told["watch"] <= LONGEST:
            raise typer.BadParameter(
                f"--watch must be above 0 and at most {format_duration(LONGEST)}, not {watch}"
            )
    return {"canary": told}


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
