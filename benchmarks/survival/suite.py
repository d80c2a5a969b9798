"""What users see when an instance fails: every fault, at every system, round by round.

python -m benchmarks survival [--only mainstay,envoy] [--faults kill,freeze] [--rounds 5] [--work 10,200] [--add]
"""

import argparse
import contextlib
import itertools
import json
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.gateway.yard import machine
from benchmarks.quiet import Quiet
from benchmarks.survival import ours, peers, plot, report
from benchmarks.survival.cell import Times, capacity, play
from benchmarks.survival.faults import FAULTS, Fault
from benchmarks.survival.instances import COUNT, node
from benchmarks.survival.matrix import Results, keep
from benchmarks.survival.reading import Entry
from benchmarks.survival.system import Site, System
from mainstay import __version__
from mainstay.base.dice import Dice
from mainstay.supervisor.port import Ports

OURS: dict[str, type[ours.Ours]] = {ours.NAME: ours.Ours, ours.PROXY: ours.Reached}
KEPT = "survival.json"
CORES = "0,1"
"""Everybody shares two processors: peers and Mainstay have a worker or a thread for each, as they do by default."""


def main(words: list[str]) -> None:
    """Measure, write down and print."""
    told = _options(words)
    node()
    # Whoever ends it must not leave anything running.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended before its time"))
    programs = dict.fromkeys(OURS, "") | peers.found()
    results, quiet, begun = _begun(told, programs), Quiet(), time.monotonic()
    for _ in range(told.rounds):
        for work, fault, name in itertools.product(told.works, told.fault_names, told.names):
            if name in programs:
                _measure(results, told, (str(work), fault, name), programs[name])
    if told.rounds:
        results["disturbed"] = max(results.get("disturbed", 0.0), quiet.disturbed())
        results["took"] = results.get("took", 0.0) + time.monotonic() - begun
        _write(results, told.out)
    text = report.text(results)
    (told.out / "survival.txt").write_text(text + "\n")
    (told.out / "survival.svg").write_text(plot.svg(results))
    print(text)
    print(f"\nraw figures, this text and a plot: {told.out}/survival.*")


def _measure(results: Results, told: argparse.Namespace, cell: tuple[str, str, str], program: str) -> None:
    """Run one cell once more, and keep what came out."""
    work, fault, name = cell
    label = name + told.label
    round_ = len(results["cells"].get(work, {}).get(fault, {}).get(label, []))
    with _site(int(work), capacity(FAULTS[fault]), told.extra) as site:
        # The same for all systems of a round: the users of a seed come at the same times.
        entry = _cell(name, FAULTS[fault], site, program, seed=round_)
    keep(results, work, fault, label, entry)
    # After each: a run that is cut short has lost nothing.
    _write(results, told.out)
    _say(f"round {round_ + 1}, {work} ms, {fault}, {label}: {report.cell(entry)}")


def _write(results: Results, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / KEPT).write_text(json.dumps(results, indent=1))


def _options(words: list[str]) -> argparse.Namespace:
    names = [*OURS, *peers.PEERS]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks survival",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--rounds",
        type=int,
        default=1,
        help="figures that are quoted are medians of five; 0 with --add: only tell what is there",
    )
    parser.add_argument("--only", default="", help=f"of {', '.join(names)}, with commas")
    parser.add_argument("--faults", default="", help=f"of {', '.join(FAULTS)}, with commas")
    parser.add_argument("--work", default="10", help="milliseconds that an instance works, with commas")
    parser.add_argument(
        "--with",
        dest="extra",
        metavar="LINE",
        action="append",
        default=[],
        help="a line of our system file's service, as in 'hold: 0'; may be repeated, and makes a column of its own",
    )
    parser.add_argument(
        "--add", action="store_true", help="to the results that are there: more rounds or cells"
    )
    parser.add_argument("--out", type=Path, default=Path("build/benchmarks"))
    told = parser.parse_args(words)
    told.names = told.only.split(",") if told.only else names
    told.fault_names = told.faults.split(",") if told.faults else list(FAULTS)
    told.works = [int(one) for one in told.work.split(",")]
    for some, allowed in ((told.names, names), (told.fault_names, FAULTS)):
        if unknown := [one for one in some if one not in allowed]:
            parser.error(f"{unknown[0]!r} is none of {', '.join(allowed)}")
    told.label = "".join(f" {line}" for line in told.extra)
    told.extra = "".join(f"    {line}\n" for line in told.extra)
    return told


def _begun(told: argparse.Namespace, programs: dict[str, str]) -> Results:
    """Begin a result, or go on with the one that is there."""
    kept = told.out / KEPT
    results: Results = json.loads(kept.read_text()) if told.add and kept.exists() else {"cells": {}}
    versions = dict.fromkeys(OURS, __version__) | peers.versions(peers.found())
    results["machine"] = machine()
    results["versions"] = results.get("versions", {}) | {
        name + told.label: versions[name] for name in told.names if name in programs
    }
    results["skipped"] = [f"{name} is not installed" for name in told.names if name not in programs]
    return results


def _cell(name: str, fault: Fault, site: Site, program: str, seed: int) -> Entry | None:
    """Run one cell; None: that cannot happen to this system."""
    system: System = OURS[name](site) if name in OURS else peers.Peer(name, program, site)
    if not fault.can(system):
        return None
    try:
        system.start()
        return play(system, fault, Times(), seed)
    finally:
        system.close()


@contextlib.contextmanager
def _site(work: int, each: int, extra: str) -> Iterator[Site]:
    """Give a folder and ports, fresh, and take them back."""
    ports = Ports(Dice(time.time_ns()))
    taken = [ports.reserve() for _ in range(2 + COUNT)]
    try:
        with tempfile.TemporaryDirectory(prefix="mainstay-survival-") as folder:
            front, admin, *behind = [port.number for port in taken]
            yield Site(
                folder=Path(folder),
                port=front,
                admin=admin,
                instances=behind,
                cores=CORES,
                work=work,
                capacity=each,
                extra=extra,
            )
    finally:
        for port in taken:
            port.release()


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)
