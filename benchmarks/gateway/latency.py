"""How long requests take when they come whether or not they are answered: at half of each proxy's own peak, and at
one rate for all. Latency counts from the time at which a request was due (`arrivals`), so that what is late because
the proxy is late is late in the figures too.
"""

from collections.abc import Iterator
from typing import Any

from benchmarks.gateway import arrivals, closed
from benchmarks.gateway.proxy import Proxy
from benchmarks.gateway.request import CASES
from benchmarks.gateway.yard import LOAD, Yard

CASE = "get12"
HALF = "half of its own peak"
COMMON = "one rate for all"
ORIGIN = "origin"
"""No proxy at all: what the load and the origins alone take."""


def peaks(yard: Yard, proxies: dict[str, Proxy], seconds: int) -> dict[str, float]:
    """Find what each answers at most, in requests per second."""
    found = {}
    for who, proxy in proxies.items():
        done = closed.load(yard.folder, CASES[CASE], proxy.ports["plain"], seconds=seconds, cores=LOAD)
        found[who] = done.requests / done.seconds
    return found


def turn(
    yard: Yard, proxies: dict[str, Proxy], peak: dict[str, float], seconds: float, seed: int
) -> Iterator[tuple[str, str, Any]]:
    """Measure every proxy once at each rate; the same arrivals for all of a common rate."""
    common = min(peak.values()) / 2
    told: dict[str, Any] = {"seconds": seconds, "seed": seed, "core": LOAD}
    for who, proxy in proxies.items():
        port = proxy.ports["plain"]
        yield HALF, who, arrivals.run(port, CASE, rate=peak[who] / 2, **told)
        yield COMMON, who, arrivals.run(port, CASE, rate=common, **told)
    yield COMMON, ORIGIN, arrivals.run(yard.origins[0], CASE, rate=common, **told)
