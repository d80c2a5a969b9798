"""What a fault takes that the system it would be done to may not have: told instead of doing it."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from mainstay.drill.cell import Cell, instances
from mainstay.drill.fault import faketime
from mainstay.drill.fault.certificate import NOT_MADE, Certificates, certificates
from mainstay.drill.fault.faketime import NOWHERE, Clocks
from mainstay.drill.stage.stage import Stage
from mainstay.system.schema import System
from mainstay.system.twin import OWN, Own

CLOCK = "clock"
DISK = "disk"
CERTIFICATE = "certificate"


class Prepared(NamedTuple):
    """What a private copy is started with, so that all can be played that was chosen."""

    clocks: Clocks = NOWHERE
    certificates: Certificates = NOT_MADE
    own: Own = OWN


@asynccontextmanager
async def prepared(system: System, folder: Path, chosen: Sequence[Cell]) -> AsyncIterator[Prepared]:
    """Prepare a private copy for what is to be played there.

    Args:
        system: The system.
        folder: Where folders are made for what that takes.
        chosen: What is to be played.
    """
    parts = [part for cell in chosen for part in cell.parts]
    services = {part.target.service for part in parts if part.kind.name == CLOCK}
    began, clocks, made = time.time(), NOWHERE, NOT_MADE
    if services:
        known = instances(system)
        names = [name for service in services for name in known[service]]
        clocks = await asyncio.to_thread(faketime.clocks, folder / "clock", names)
    if any(part.kind.name == CERTIFICATE for part in parts):
        made = await asyncio.to_thread(certificates, system, folder / "certificates")
    env = {service: clocks.env(_preloaded(system, service)) for service in services}
    try:
        yield Prepared(clocks, made, Own(env, made.files))
    finally:
        if services:
            faketime.sweep(began)


def _preloaded(system: System, service: str) -> str:
    env = system.services[service].environment(system.folder) | system.drills.env
    return env.get("LD_PRELOAD", "")


def missing(stage: Stage, cell: Cell) -> str:
    """Give why a cell cannot be played there, and what would help; nothing when it can."""
    return next((why for part in cell.parts if (why := _missing(stage, part))), "")


def _missing(stage: Stage, cell: Cell) -> str:
    if cell.kind.name == CLOCK:
        return _clock(stage, cell)
    if cell.kind.name == DISK:
        return _disk(stage, cell.target.service)
    if cell.kind.name == CERTIFICATE:
        return stage.certificates.trouble
    return ""


def _clock(stage: Stage, cell: Cell) -> str:
    if stage.clocks.folder is not None and stage.system.services[cell.target.service].user is not None:
        return "the clock moves only of instances that run as the same user as the drill"
    return stage.clocks.trouble


def _disk(stage: Stage, service: str) -> str:
    """Tell why a folder must not be filled: the system that users use has it as well, as far as anybody knows."""
    folder = stage.system.folder / stage.system.drills.disk[service]
    if stage.live or stage.original is None or stage.original.holder() is None:
        return ""
    one = stage.system.services[service]
    cwd = stage.system.folder / one.cwd
    if any(_names(value, folder, cwd) for value in stage.system.drills.env.values()):
        return ""
    return (
        f"the system itself runs, and may use {folder} as well: stop it, fill its folder with --live,"
        " or have drills.env name a folder that only the copy uses"
    )


def _names(value: str, folder: Path, cwd: Path) -> bool:
    """Tell whether a value is a folder, or something in it."""
    named, whole = os.path.realpath(cwd / value), os.path.realpath(folder)
    return named == whole or named.startswith(whole + os.sep)
