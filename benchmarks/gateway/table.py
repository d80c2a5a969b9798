"""How a worker takes a table of 10,000 instances: seconds until it says that it routes by it, and how long its loop
stood still meanwhile, as a client sees it that asks again and again for an answer of the gateway's own.

    python -m benchmarks.gateway.table [COUNT]
"""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks.gateway.line import Line, listener
from benchmarks.gateway.proxy import Place
from benchmarks.gateway.yard import LOAD, Yard, yard
from benchmarks.program import spawn
from mainstay.gateway.crew import telling
from mainstay.gateway.table import Door, Row, Rule, Settings, Table

COUNT = 10_000
SERVICES = 10
_STAY = 90
"""Of a hundred instances, those that are still the same in the second table."""
_AFTER = 1.0
"""Seconds after it was applied in which pauses still count: what follows from a table is part of it."""


def turn(yard: Yard, folder: Path, count: int) -> Iterator[tuple[str, dict[str, float]]]:
    """Give a fresh worker a large table, then one of which a tenth has been replaced, then the first again."""
    folder.mkdir()
    port = _port()
    place = Place(folder=folder, plain=port, secure=0, raw=0, admin=0, origins=yard.origins, cert=yard.cert)
    line = Line(str(folder / "gateway.sock"))
    first = tables(yard.origins, 3)
    line.tell(telling.dump(first))
    sock = listener(port)
    argv = [sys.executable, "-m", "mainstay.gateway.worker", "--number", "1", "--link"]
    argv += [str(folder / "gateway.sock"), "--listeners", json.dumps({"plain": sock.fileno()})]
    worker = spawn(argv, place.folder, place.cores, keep=(sock.fileno(),))
    sock.close()
    probe: subprocess.Popen[str] | None = None
    try:
        line.wait(1, 1)
        argv = ["taskset", "-c", LOAD, sys.executable, "-m", "benchmarks.gateway.probe", str(port)]
        probe = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert probe.stdout is not None
        probe.stdout.readline()
        spans: list[tuple[str, float, float, float]] = []
        begun = time.monotonic()
        time.sleep(_AFTER)
        spans.append(("before", begun, begun, time.monotonic()))
        whole = replace(tables(yard.origins, count), version=2)
        for name, told in (
            ("new", whole),
            ("tenth", replace(whole, version=3, rows=_tenth(whole.rows))),
            ("same", replace(whole, version=4, rows=_tenth(whole.rows))),
        ):
            data = telling.dump(told)
            begun = time.monotonic()
            line.tell(data)
            line.wait(1, told.version)
            done = time.monotonic()
            time.sleep(_AFTER)
            spans.append((name, begun, done, time.monotonic()))
        said, _ = probe.communicate("", timeout=10)
    finally:
        for process in (probe, worker):
            if process is not None and process.poll() is None:
                # Not SIGTERM: a worker that gets it goes on until another one has taken its place.
                process.kill()
                process.wait()
        line.close()
    waits = json.loads(said)
    for name, begun, done, end in spans:
        pauses = [took for at, took in waits if begun <= at + took and at <= end]
        yield name, {"seconds": done - begun, "pause": max(pauses, default=0.0)}


def tables(origins: list[int], count: int) -> Table:
    """Give a table of so many instances, all of them at the origins."""
    rows = [
        Row(
            service=f"service-{number % SERVICES}",
            instance=f"service-{number % SERVICES}-{number // SERVICES + 1}",
            generation=1,
            host="127.0.0.1",
            port=origins[number % len(origins)],
            path="/",
        )
        for number in range(count)
    ]
    # The last has no instances: the gateway itself answers for it, and nothing else is in the way of the answer.
    names = [*(f"service-{number}" for number in range(SERVICES)), "nobody"]
    return Table(
        version=1,
        doors={"plain": Door(rules=[Rule(service=name, host=f"{name}.example") for name in names])},
        services={name: Settings() for name in names},
        rows=rows,
    )


def _tenth(rows: list[Row]) -> list[Row]:
    return [row if n % 100 < _STAY else replace(row, generation=2) for n, row in enumerate(rows)]


def _port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> None:
    """Measure it alone."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT
    with yard(["mainstay"]) as ground:
        for name, told in turn(ground, ground.folder / "table", count):
            print(f"{name}: {told['seconds'] * 1000:.1f} ms, longest pause {told['pause'] * 1000:.1f} ms")


if __name__ == "__main__":
    main()
