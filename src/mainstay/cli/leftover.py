"""Ends what a killed supervisor has left running."""

import asyncio
from pathlib import Path

from mainstay.base.errors import SystemFileError
from mainstay.control import Control
from mainstay.supervisor.rundir import RunDir
from mainstay.system.load import load
from mainstay.system.schema import Service, System


def take_down(file: Path | None, run: RunDir) -> int:
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
