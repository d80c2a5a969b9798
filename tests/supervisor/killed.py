"""A supervisor in a process of its own that is killed at a given moment: see test_adopt.py."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from mainstay.base.clock import SystemClock
from mainstay.base.dice import Dice
from mainstay.base.facts import ignore
from mainstay.base.probe import ProbeResult
from mainstay.supervisor.rundir import RunDir
from mainstay.supervisor.state import State
from mainstay.supervisor.supervisor import Supervisor
from mainstay.system.schema import System


class Gate:
    def publish(self):
        pass

    async def drained(self, life, limit):
        return True


async def probe(service, host, port):
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return ProbeResult(ok=False, said="refused", seconds=0.0)
    writer.transport.abort()
    return ProbeResult(ok=True, said="HTTP 200", seconds=0.0)


async def main(folder, services, after, moment):
    state, _ = State.load(folder / ".mainstay" / "state.json")
    save, saves = state.save, 0

    def count():
        nonlocal saves
        saves += 1
        if moment == "before" and saves == after:
            os.kill(os.getpid(), signal.SIGKILL)
        save()
        if moment == "after" and saves == after:
            os.kill(os.getpid(), signal.SIGKILL)

    state.save = count
    system = System.model_validate({"services": services}, context={"file": folder / "mainstay.yaml"})
    supervisor = Supervisor(
        system,
        RunDir(folder / ".mainstay"),
        state,
        probe=probe,
        gate=Gate(),
        clock=SystemClock(),
        dice=Dice(2),
        emit=ignore,
    )
    await supervisor.start()
    if moment == "started":
        os.kill(os.getpid(), signal.SIGKILL)
    await supervisor.restart("web")
    os.kill(os.getpid(), signal.SIGKILL)


asyncio.run(main(Path(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3]), sys.argv[4]))
