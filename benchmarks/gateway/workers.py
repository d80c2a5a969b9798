"""What a second worker adds.

On two processors load and origins need a share of both, so that requests per second say nothing. Measured is what
the busiest worker spends on all of the requests: it is the one that is exhausted first, so its inverse is what
all workers together can do, each with a processor of its own. A second worker that takes half of the connections
and makes no request dearer doubles that; one that is given less, or waits for locks, does not.
"""

from collections.abc import Iterator

import psutil

from benchmarks.gateway import closed, meter
from benchmarks.gateway.request import CASES
from benchmarks.gateway.yard import LOAD, PROXY, Yard

CASE = "get12"
CONNECTIONS = 64


def turn(yard: Yard, seconds: int) -> Iterator[tuple[str, dict[str, float]]]:
    """Measure one worker, then two, under the same load on the same two processors."""
    for count in (1, 2):
        with yard.proxy("mainstay", workers=count) as proxy:
            pids = [pid for pid in proxy.pids if "mainstay.gateway.worker" in psutil.Process(pid).cmdline()]
            if len(pids) != count:
                raise SystemExit(f"{len(pids)} workers run, not {count}")
            before = [meter.cpu([pid]) for pid in pids]
            done = closed.load(
                yard.folder,
                CASES[CASE],
                proxy.ports["plain"],
                seconds=seconds,
                cores=f"{PROXY},{LOAD}",
                connections=CONNECTIONS,
            )
            used = [meter.cpu([pid]) - was for pid, was in zip(pids, before, strict=True)]
        yield (
            str(count),
            {
                "cpu_us": sum(used) / done.requests * 1e6,
                "rps": done.requests / done.seconds,
                "capacity": done.requests / max(used),
                "busiest": max(used) / sum(used),
            },
        )
