"""The faults: what is done to which part, and how it is undone."""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.survival.system import System

Do = Callable[[System], None]
TRAFFIC = "traffic"
"""What reaches the broken instance is told by itself: it lives, and counts."""
QUEUE = "queue"
"""It is told by the kernel: the instance is stopped, and what is sent to it stays unread."""


def _nothing(system: System) -> None:
    del system


def _first(system: System) -> list[str]:
    return system.instances.names[:1]


def _zone(system: System) -> list[str]:
    return system.instances.zone()


Who = Callable[[System], list[str]]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One row of the matrix."""

    title: str
    begin: Do = _nothing
    heal: Do = _nothing
    who: Who = _first
    """The instances that it breaks."""
    seen: str | None = None
    """How it is found out what reaches them meanwhile, if it can be."""
    can: Callable[[System], bool] = lambda _: True
    """Whether it can happen to a system."""
    waits: bool = False
    """Whether it takes time by its nature to be told from an answer that will come."""
    overload: bool = False
    """Too many requests, in place of too few instances."""


def _signal(number: int, who: Who = _first) -> Do:
    def send(system: System) -> None:
        for name in who(system):
            with contextlib.suppress(ProcessLookupError):
                system.instances.signal(name, number)

    return send


def _revive(who: Who = _first) -> Do:
    def start(system: System) -> None:
        for name in who(system):
            system.instances.revive(name)

    return start


def _mode(mode: str, title: str, *, waits: bool = False) -> Fault:
    return Fault(
        title=title,
        begin=lambda system: system.instances.mode(_first(system)[0], mode),
        heal=lambda system: system.instances.mode(_first(system)[0], "well"),
        seen=TRAFFIC,
        waits=waits,
    )


def _reloads(system: System) -> None:
    for _ in range(_TIMES):
        begun = time.monotonic()
        system.reload()
        time.sleep(max(0.0, begun + _PAUSE - time.monotonic()))


_TIMES, _PAUSE = 4, 0.9

FAULTS: dict[str, Fault] = {
    "none": Fault(title="none", who=lambda _: []),
    "kill": Fault(title="kill -9 of one instance", begin=_signal(signal.SIGKILL), heal=_revive()),
    "freeze": Fault(
        title="one frozen (SIGSTOP)",
        begin=_signal(signal.SIGSTOP),
        heal=_signal(signal.SIGCONT),
        seen=QUEUE,
        waits=True,
    ),
    "stop": Fault(title="graceful stop of one", begin=_signal(signal.SIGTERM), heal=_revive()),
    "unavailable": _mode("unavailable", "one answers 503"),
    "errors": _mode("errors", "one fails 30 % with 500"),
    "slow": _mode("slow", "one answers after 2 s", waits=True),
    "slower": _mode("slower", "one gets slower, up to 2 s", waits=True),
    "closing": _mode("closing", "one closes every connection"),
    "dying": _mode("dying", "one dies in mid-response"),
    "stalling": _mode("stalling", "one stalls in mid-response"),
    "flapping": _mode("flapping", "one flaps: 503 every other 0.5 s"),
    "zone-kill": Fault(
        title="zone killed: two of three",
        begin=_signal(signal.SIGKILL, _zone),
        heal=_revive(_zone),
        who=_zone,
    ),
    "zone-freeze": Fault(
        title="zone frozen: two of three",
        begin=_signal(signal.SIGSTOP, _zone),
        heal=_signal(signal.SIGCONT, _zone),
        who=_zone,
        seen=QUEUE,
        waits=True,
    ),
    "rolling": Fault(title="rolling restart", begin=lambda system: system.roll(), who=lambda _: []),
    "overload": Fault(title="overload x3", overload=True, who=lambda _: []),
    "reload": Fault(
        title="gateway reloaded 4 times", begin=_reloads, can=lambda s: s.reloads, who=lambda _: []
    ),
    "worker": Fault(
        title="gateway worker killed",
        begin=lambda system: os.kill(system.worker(), signal.SIGKILL),
        can=lambda system: system.workers,
        who=lambda _: [],
    ),
}
