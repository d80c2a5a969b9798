"""What a request costs each proxy: CPU time of its processes, divided by the requests that it answered.

The proxy has one processor, the load and the origins the other. Every case is measured for every proxy in
turn, and the whole of it several times over.
"""

from collections.abc import Iterator
from typing import Any

from benchmarks.gateway import closed, meter
from benchmarks.gateway.proxy import Proxy
from benchmarks.gateway.request import CASES, RELAY, Case
from benchmarks.gateway.yard import LOAD, Yard

GIB = 2**30


def measure(yard: Yard, proxy: Proxy, case: Case, seconds: int) -> dict[str, float]:
    """Measure one case at one proxy once.

    Gives: `cpu_us` of a request, `rps` answered, `busy` (the share of its processor that the proxy used),
    `cpu_s_gib` (CPU seconds for a GiB of answers).
    """
    before = meter.cpu(proxy.pids)
    done = closed.load(yard.folder, case, proxy.ports[case.door], seconds=seconds, cores=LOAD)
    used = meter.cpu(proxy.pids) - before
    return {
        "cpu_us": used / done.requests * 1e6,
        "rps": done.requests / done.seconds,
        "busy": used / done.seconds,
        "cpu_s_gib": used / done.octets * GIB,
    }


def case_of(name: str) -> Case:
    """Give a case by its name; the relay is one too."""
    return RELAY if name == "relay" else CASES[name]


def turn(
    yard: Yard, proxies: dict[str, Proxy], cases: list[str], seconds: int
) -> Iterator[tuple[str, str, Any]]:
    """Measure every case at every proxy once, proxies in turn."""
    for name in cases:
        case = case_of(name)
        for who, proxy in proxies.items():
            if case.door in proxy.ports:
                yield name, who, measure(yard, proxy, case, seconds)
