"""The process that breaks something, and mends it when nobody wants it broken any more.

::

    python -m mainstay.drill.fault.hold '{"fault": "freeze", ...}' INTENT

It says when it is ready, and acts on the first line of its standard input, so that what it takes to start a process is
no part of the fault. It writes down how it is undone, does it, makes sure that it is done, and says so in a line of
JSON. Then each line renews its lease. When its standard input ends, or the lease is over, or it is told to end by SIGTERM or
SIGINT, it undoes the fault, says so, and ends: so a drill that is killed leaves nothing broken. What it says:

=================================== =====================================================
{"event": "ready"}                  it waits to be told to begin
{"event": "held", "evidence": ...}  it is done; `began` tells since when, on the monotonic clock
{"event": "failed", "why": ...}     it is not; what was done of it is undone
{"event": "undone", "left": [...]}  it is over, and what could not be undone; `at` tells until when it acted, `shown` what
                                    more can be told now, and `why` that it has not acted after all
=================================== =====================================================
"""

import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from mainstay.drill.fault.grip import GRIPS, Failed, Grip, Order
from mainstay.drill.fault.intent import Intent
from mainstay.drill.fault.kind import PLUGGED

_LOOK = 0.05
_MANY = 4096


def main(argv: list[str] | None = None) -> int:
    """Hold a fault as the command line tells; give the exit code: 0, or 1 when it was not done."""
    told, path = sys.argv[1:] if argv is None else argv
    order = Order(**json.loads(told))
    intent = Intent(Path(path), order.fault, order.targets)
    say = partial(_say, os.dup(1))
    os.dup2(2, 1)  # what others print in here is no news
    grip = _grip(order, intent)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _end)
    held = False
    try:
        say({"event": "ready"})
        if not os.read(0, 1):
            return 1  # nobody is there any more, and nothing was done
        began = time.monotonic()
        try:
            evidence = grip.take()
        except (Failed, OSError) as problem:
            say({"event": "failed", "why": str(problem)})
        else:
            held = True
            say({"event": "held", "evidence": evidence, "began": began})
            _keep(grip.look, order.lease)
    except (_Ended, Failed):
        pass
    finally:
        # Whatever went wrong: nothing is left broken.
        at = time.monotonic()
        left = grip.release()
        say({"event": "undone", "left": left, "at": at, **(_shown(grip) if held else {})})
    return 0 if held and not left else 1


def _shown(grip: Grip) -> dict[str, str]:
    try:
        return {"shown": grip.shown()}
    except Failed as problem:
        return {"why": str(problem)}


def _grip(order: Order, intent: Intent) -> Grip:
    if order.grip != PLUGGED:
        return GRIPS[order.grip](order, intent)
    from mainstay.drill.fault.plugged import Plugged  # noqa: PLC0415 - no other fault waits for what it takes

    return Plugged(order, intent)


class _Ended(Exception):
    pass


def _end(number: int, frame: object) -> None:
    del number, frame
    # Once: the way back must not be cut short by another.
    for other in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(other, signal.SIG_IGN)
    raise _Ended


def _keep(look: Callable[[], None], lease: float) -> None:
    """Hold on until the lease is over, or nobody is there to renew it."""
    over = time.monotonic() + lease
    while (left := over - time.monotonic()) > 0:
        if select.select([0], [], [], min(left, _LOOK))[0]:
            if not os.read(0, _MANY):
                return
            over = time.monotonic() + lease
        look()


def _say(out: int, news: dict[str, Any]) -> None:
    try:
        os.write(out, json.dumps(news).encode() + b"\n")
    except OSError:
        return  # nobody listens any more, which is no reason to leave anything broken


if __name__ == "__main__":
    sys.exit(main())
