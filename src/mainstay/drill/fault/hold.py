"""The process that breaks something, and mends it when nobody wants it broken any more.

::

    python -m mainstay.drill.fault.hold '{"fault": "freeze", ...}' INTENT

It writes down how it is undone, does it, makes sure that it is done, and says so in a line of JSON. Then each line
on its standard input renews its lease. When that ends, or the lease is over, or it is told to end by SIGTERM or
SIGINT, it undoes the fault, says so, and ends: so a drill that is killed leaves nothing broken. What it says:

=================================== =====================================================
{"event": "held", "evidence": ...}  it is done
{"event": "failed", "why": ...}     it is not; what was done of it is undone
{"event": "undone", "left": [...]}  it is over, and what could not be undone
=================================== =====================================================
"""

import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mainstay.drill.fault.grip import GRIPS, Failed, Order
from mainstay.drill.fault.intent import Intent

_LOOK = 0.05


def main(argv: list[str] | None = None) -> int:
    """Hold a fault as the command line tells; give the exit code: 0, or 1 when it was not done."""
    told, path = sys.argv[1:] if argv is None else argv
    order = Order(**json.loads(told))
    intent = Intent(Path(path), order.fault, order.targets)
    grip = GRIPS[order.grip](order, intent)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _end)
    held = False
    try:
        try:
            evidence = grip.take()
        except (Failed, OSError) as problem:
            _say({"event": "failed", "why": str(problem)})
        else:
            held = True
            _say({"event": "held", "evidence": evidence, "at": time.monotonic()})
            _keep(grip.look, order.lease)
    except _Ended:
        pass
    left = grip.release()
    _say({"event": "undone", "left": left, "at": time.monotonic()})
    return 0 if held and not left else 1


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
        ready, _, _ = select.select([0], [], [], min(left, _LOOK))
        if ready:
            if not os.read(0, 4096):
                return
            over = time.monotonic() + lease
        look()


def _say(news: dict[str, Any]) -> None:
    try:
        os.write(1, json.dumps(news).encode() + b"\n")
    except OSError:
        return  # nobody listens any more, which is no reason to leave anything broken


if __name__ == "__main__":
    sys.exit(main())
