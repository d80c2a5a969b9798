"""A drill in a process of its own that breaks what it is told and keeps it broken until it is killed: see test_drill_killed.py."""

import asyncio
import json
import os
import sys
from pathlib import Path

from mainstay.cli.talk import ask
from mainstay.drill.cell import Cell, Target
from mainstay.drill.fault.kind import KINDS
from mainstay.drill.injection import injection
from mainstay.drill.stage.stage import live
from mainstay.supervisor.rundir import RunDir
from mainstay.system.load import load


async def main(folder, lease, cells):
    system, run = load(folder / "mainstay.yaml"), RunDir(folder / ".mainstay")
    async with live(system, run, ask) as stage:
        state = await stage.status()
        faults = {
            kind: injection(
                stage,
                state,
                Cell(kind=KINDS[kind], target=Target(service, service, tuple(instances))),
                folder / ".mainstay" / "drills" / "faults" / f"{kind}.json",
                lease=lease,
                seed=1,
            )
            for kind, service, instances in cells
        }
        await asyncio.gather(*(fault.prepare() for fault in faults.values()))
        await asyncio.gather(*(fault.begin() for fault in faults.values()))
        os.write(1, b"broken\n")
        while True:
            await asyncio.sleep(lease / 4)
            await asyncio.gather(*(fault.renew() for fault in faults.values()))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), float(sys.argv[2]), json.loads(sys.argv[3])))
