"""The whole comparison: every part, round by round, with its tables, its picture and its bounds.

python -m benchmarks [PART ...] [--quick] [--rounds 5] [--seconds 1] [--only mainstay,envoy] [--cases get12,1mib]
"""

import argparse
import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.gateway import cost, idle, latency, ours, plot, report, table, workers
from benchmarks.gateway.bounds import Results
from benchmarks.gateway.peers import PEERS
from benchmarks.gateway.request import CASES
from benchmarks.gateway.yard import Yard, machine, missing, yard
from benchmarks.quiet import Quiet

PARTS = ("cost", "latency", "relay", "idle", "workers", "table")
_MANY = 10_000
_FEWER = 2_000


def main() -> None:
    """Measure, write down and print."""
    told = _options()
    names = [name for name in (*ours.found(), *PEERS) if not told.only or name in told.only.split(",")]
    begun = time.monotonic()
    with yard(names) as ground:
        results: Results = {
            "machine": machine(),
            "versions": {n: v for n, v in ground.versions().items() if n in ground.names},
            "rounds": told.rounds,
            "seconds": told.seconds,
            "skipped": [f"{name} is not installed" for name in names if name not in ground.names],
        }
        quiet = Quiet()
        _measure(ground, told, results)
        results["disturbed"] = quiet.disturbed()
    results["took"] = time.monotonic() - begun
    told.out.mkdir(parents=True, exist_ok=True)
    (told.out / "results.json").write_text(json.dumps(results, indent=1))
    (told.out / "results.txt").write_text(report.text(results) + "\n")
    (told.out / "results.svg").write_text(plot.svg(results))
    print(report.text(results))
    print(f"\n{results['took']:.0f} s; raw figures, this text and a plot: {told.out}/results.*")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all unless told")
    parser.add_argument(
        "--quick", action="store_true", help="one round of a second each: a look, not a result"
    )
    parser.add_argument("--rounds", type=int)
    parser.add_argument(
        "--seconds", type=int, help="of each measurement; those of latency take twice as long"
    )
    parser.add_argument("--only", default="", help="proxies, with commas")
    parser.add_argument("--cases", default="", help=f"of {', '.join(CASES)}, with commas")
    parser.add_argument("--out", type=Path, default=Path("build/benchmarks"))
    told = parser.parse_args()
    told.parts = told.parts or list(PARTS)
    told.case_names = told.cases.split(",") if told.cases else list(CASES)
    for word, allowed in ((told.parts, PARTS), (told.case_names, CASES)):
        if unknown := [one for one in word if one not in allowed]:
            parser.error(f"{unknown[0]!r} is none of {', '.join(allowed)}")
    told.rounds = told.rounds or (1 if told.quick else 5)
    told.seconds = told.seconds or 1
    return told


def _measure(ground: Yard, told: argparse.Namespace, results: Results) -> None:
    if {"cost", "relay", "latency"} & set(told.parts):
        _side_by_side(ground, told, results)
    if "idle" in told.parts:
        _idle(ground, results, _FEWER if told.quick else _MANY)
    if ours.NAME in ground.names and {"workers", "table"} & set(told.parts):
        _alone(ground, told, results)


def _side_by_side(ground: Yard, told: argparse.Namespace, results: Results) -> None:
    """Measure all proxies in turn, round by round."""
    cases = told.case_names if "cost" in told.parts else []
    if "relay" in told.parts:
        cases = [*cases, "relay"]
    with ground.all() as proxies:
        for door in sorted({cost.case_of(case).door for case in cases}):
            results["skipped"] += missing(proxies, door)
        peak = latency.peaks(ground, proxies, told.seconds) if "latency" in told.parts else {}
        for number in range(told.rounds):
            _say(f"round {number + 1} of {told.rounds}")
            _keep(results, "cost", cost.turn(ground, proxies, cases, told.seconds))
            if peak:
                _keep(results, "latency", latency.turn(ground, proxies, peak, 2 * told.seconds, number))


def _idle(ground: Yard, results: Results, count: int) -> None:
    for name in ground.names:
        _say(f"idle connections: {name}")
        with ground.proxy(name) as proxy:
            _keep(results, "idle", [(name, idle.measure(proxy, count))])


def _alone(ground: Yard, told: argparse.Namespace, results: Results) -> None:
    """Measure what nobody else is compared with."""
    for number in range(told.rounds):
        if "workers" in told.parts:
            _say(f"workers: round {number + 1} of {told.rounds}")
            _keep(results, "workers", workers.turn(ground, told.seconds))
        if "table" in told.parts:
            _say(f"table: round {number + 1} of {told.rounds}")
            _keep(results, "table", table.turn(ground, ground.folder / f"table-{number}", table.COUNT))


def _keep(results: Results, part: str, found: Iterable[tuple[Any, ...]]) -> None:
    """Put entries where they belong: the last of each tuple is the entry, what stands before it the path."""
    for *path, entry in found:
        place = results.setdefault(part, {})
        for word in path[:-1]:
            place = place.setdefault(word, {})
        place.setdefault(path[-1], []).append(entry)


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)
