"""`mainstay alerts`: whether those who are to be told of alerts can be told."""

import time
from concurrent.futures import ThreadPoolExecutor

import typer
from rich.text import Text

from mainstay.base.errors import MainstayError
from mainstay.cli import option, show
from mainstay.control.delivery import Trouble, deliver
from mainstay.control.notice import trial
from mainstay.system.load import load

app = typer.Typer(
    name="alerts",
    help="Tell those who are to be told of alerts that this is a test.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def _root() -> None:
    pass


@app.command("test")
def send(file: option.File = None, json: option.Json = False) -> None:
    """Send a test to each of `alerts` in the system file, whether or not the system runs, and say who took it.

    It ends with 1 if somebody could not be told. Alertmanager is given an alert that is over at once.
    """
    system = load(file)
    if not system.alerts:
        raise MainstayError("nobody is to be told: the system file has no `alerts`")
    told = trial(system.name, time.time())
    with ThreadPoolExecutor(len(system.alerts)) as threads:
        troubles = list(threads.map(lambda one: deliver(one, told, system.folder), system.alerts))
    found = list(zip([one.name for one in system.alerts], troubles, strict=True))
    if json:
        rows = [{"destination": name, "trouble": trouble and trouble.because} for name, trouble in found]
        show.data({"version": 1, "destinations": rows})
    else:
        for name, trouble in found:
            _say(name, trouble)
    if any(troubles):
        raise typer.Exit(1)


def _say(name: str, trouble: Trouble | None) -> None:
    said = (
        Text("told", style="green") if trouble is None else Text(f"not told: {trouble.because}", style="red")
    )
    show.out.print(Text(f"{name}: ").append_text(said), soft_wrap=True)
