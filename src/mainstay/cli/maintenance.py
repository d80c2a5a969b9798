"""`mainstay maintenance`: say that something is being worked on, so that its time is shown and not charged."""

import time
from typing import Annotated, Any

import typer

from mainstay.base.errors import MainstayError
from mainstay.cli import option, show
from mainstay.cli.talk import ask

app = typer.Typer(
    name="maintenance",
    help="Say that something is being worked on: that time is shown, and not charged.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
Service = Annotated[
    str | None,
    typer.Option("--service", help="Only this service; all of them unless told.", show_default=False),
]


@app.command()
def begin(  # noqa: PLR0913, PLR0917 - its options; typer passes them by name
    reason: Annotated[str, typer.Option("--reason", help="What is done; it stands in reports.")],
    service: Service = None,
    lasts: Annotated[
        str | None,
        typer.Option(
            "--for",
            metavar="DURATION",
            help="For how long; until `maintenance end` unless told.",
            show_default=False,
        ),
    ] = None,
    file: option.File = None,
    run_dir: option.Run = None,
    json: option.Json = False,
) -> None:
    """Begin maintenance of a running system, or of one service; it goes on through restarts of the supervisor."""
    asked: dict[str, Any] = {"state": "maintenance", "reason": reason}
    if service is not None:
        asked["service"] = service
    if lasts is not None:
        asked["for"] = option.duration("--for", lasts)
    mark = ask(option.run_dir(file, run_dir), "/v1/marks", asked)
    if json:
        show.data(mark)
    else:
        show.news(show.mark(mark, time.time()))


@app.command()
def end(
    service: Service = None,
    file: option.File = None,
    run_dir: option.Run = None,
    json: option.Json = False,
) -> None:
    """End the maintenance of one service, or all that there is; ends with 1 if there is none."""
    run = option.run_dir(file, run_dir)
    marks = [
        mark
        for mark in ask(run, "/v1/marks")["marks"]
        if mark["state"] == "maintenance" and (service is None or mark["service"] == service)
    ]
    if not marks:
        raise MainstayError("there is no maintenance" + (f" of {service}" if service is not None else ""))
    ended = [ask(run, f"/v1/marks/{mark['mark']}/end", {}) for mark in marks]
    if json:
        show.data({"version": 1, "marks": ended})
    else:
        for mark in ended:
            lasted = show.span(mark["until"] - mark["since"])
            show.news(f"{mark['service'] or 'all services'}: maintenance ended after {lasted}")
