"""What it costs to find whose a request is, with few rules and with many, and how else it could be done.

`tree` is what the gateway does. `prefixes` looks up the whole path, then all but its last segment, and so on.
`list` tries one rule after another, longest first, as a list of locations or regular expressions would.

    python -m benchmarks.gateway.routing
"""

import time
from collections.abc import Callable

from mainstay.gateway.router import Router

Find = Callable[[bytes, bytes], object]
Rules = list[tuple[str, str, int]]
ROUNDS = 7
LOOKUPS = 20_000


def rules(count: int, *, hosts: bool) -> Rules:
    """Give so many rules: of as many hosts, or of one host with paths of three segments."""
    if hosts:
        return [(f"shop-{n}.example", "/api", n) for n in range(count)]
    return [("shop.example", f"/api/v{n % 10}/part-{n}", n) for n in range(count)]


def prefixes(told: Rules) -> Find:
    known = {(host.encode(), path.encode()): goal for host, path, goal in told}

    def find(host: bytes, path: bytes) -> object:
        while path:
            goal = known.get((host, path))
            if goal is not None:
                return goal
            path = path[: path.rfind(b"/")]
        return None

    return find


def listed(told: Rules) -> Find:
    known = sorted(
        ((host.encode(), path.encode(), goal) for host, path, goal in told), key=lambda it: -len(it[1])
    )

    def find(host: bytes, path: bytes) -> object:
        for its, prefix, goal in known:
            if its == host and path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in (b"", b"/"):
                return goal
        return None

    return find


def cost(find: Find, asked: list[tuple[bytes, bytes]]) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        for host, path in asked:
            find(host, path)
        best = min(best, time.process_time() - began)
    return best / len(asked)


def main() -> None:
    print("µs for a lookup, best of", ROUNDS)
    print(f"{'':>22}{'tree':>10}{'prefixes':>10}{'list':>10}{'compiling, ms':>16}")
    for hosts in (True, False):
        for count in (1, 10, 100, 10_000):
            told = rules(count, hosts=hosts)
            spread = [told[n * 7919 % count] for n in range(min(LOOKUPS, 20_000))]
            asked = [(host.encode(), path.encode() + b"/orders/17") for host, path, _ in spread]
            began = time.process_time()
            router = Router(told)
            compiling = time.process_time() - began
            few = asked[:: max(1, count // 50)]
            print(
                f"{count:>8} {'hosts' if hosts else 'paths':<13}"
                f"{cost(router.find, asked) * 1e6:>10.2f}{cost(prefixes(told), asked) * 1e6:>10.2f}"
                f"{cost(listed(told), few) * 1e6:>10.2f}{compiling * 1e3:>16.2f}"
            )
    router = Router([*rules(10, hosts=False), ("", "", -1)])
    hard = {
        "odd, ordinary": b"/api/v1/part-1/caf%C3%A9",
        "16 KiB of slashes": b"/" * 16384,
        "16 KiB of segments": b"/a" * 8192,
        "16 KiB of escapes": b"/%2541;%41%5c/" * 1170,
        "16 KiB of nested": b"/%25252541" * 1638,
    }
    for name, path in hard.items():

        def find(host: bytes, path: bytes) -> object:
            try:
                return router.find(host, path)
            except Exception as error:  # noqa: BLE001 - what is refused costs as well
                return error

        print(f"{name:<22}{cost(find, [(b'shop.example', path)] * 20) * 1e6:>10.1f}")


if __name__ == "__main__":
    main()
