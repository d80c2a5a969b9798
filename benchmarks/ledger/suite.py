"""`python -m benchmarks ledger`: a made-up year of 50 services and 500 instances, with known truth.

It prints how many facts a second one process takes in, how large the file is after a year, as it is kept, and how long the
report of 90 days takes, each beside its bound; and whether the sums are those that were put in.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.ledger import killed
from mainstay.base.dice import Dice
from mainstay.base.program import module
from mainstay.ledger.store import INSTANCE, KEPT, LEVELS, SERVICE, Row, Store, Subject, opened
from mainstay.reliability.account import Account
from mainstay.reliability.span import DOWN, UP

NOW = 1_800_000_000
DAY = 86400
FACTS, SIZE, REPORT = 50_000.0, 200e6, 1.0
"""The bounds: facts a second, bytes, seconds."""
_BATCH = 2000
_FACTS_FOR = 2.0


def main(argv: list[str] | None = None) -> int:
    """Run it; give 0 if every bound was met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks ledger", description=__doc__)
    parser.add_argument("--services", type=int, default=50)
    parser.add_argument("--instances", type=int, default=10, help="of each service")
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument(
        "--killed",
        type=int,
        metavar="TIMES",
        help="kill all of a system so many times instead, see killed.py",
    )
    told = parser.parse_args(argv)
    if told.killed is not None:
        return killed.run(Path(tempfile.mkdtemp(prefix="mainstay-killed-")), told.killed)
    with tempfile.TemporaryDirectory(prefix="mainstay-ledger-") as folder:
        return _run(Path(folder), told)


def _run(folder: Path, told: argparse.Namespace) -> int:
    path = folder / ".mainstay" / "ledger.db"
    path.parent.mkdir()
    names = [f"s{number}" for number in range(told.services)]
    lines = "".join(f"  {name}: {{ command: 'true', instances: {told.instances} }}\n" for name in names)
    (folder / "mainstay.yaml").write_text(f"services:\n{lines}")
    store, _ = opened(path, NOW)
    with store:
        rate = _facts(store)
        truth = _year(store, names, told)
        kept = all(
            store.counted(Subject(SERVICE, name, name), NOW - (told.days + 1) * DAY, NOW + DAY).counts[
                "requests"
            ]
            == requests
            for name, requests in truth.items()
        )
    size = sum(part.stat().st_size for part in path.parent.glob("ledger.db*"))
    seconds = _report(folder)
    rows = (
        ("facts taken in", f"{rate:,.0f} a second", rate >= FACTS, f"{FACTS:,.0f}"),
        ("a year on the disk", f"{size / 1e6:.0f} MB", size <= SIZE, f"{SIZE / 1e6:.0f} MB"),
        ("report of 90 days", f"{seconds:.2f} s", seconds <= REPORT, f"{REPORT:.0f} s"),
        ("sums as put in", "yes" if kept else "NO", kept, "yes"),
    )
    for what, found, met, bound in rows:
        print(f"{what:22} {found:>20}  bound {bound:>8}  {'met' if met else 'MISSED'}")
    return 0 if all(met for _, _, met, _ in rows) else 1


def _facts(store: Store) -> float:
    """Take facts in for two seconds, and give how many a second."""
    count, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < _FACTS_FOR:
        facts = [
            {
                "fact": "HealthChanged",
                "version": 1,
                "at": NOW - 86400.0 + count + number,
                "service": f"s{number % 50}",
                "instance": f"s{number % 50}-{number % 10}",
                "generation": number,
                "before": "up",
                "after": "suspect",
                "because": "no answer within 500ms",
            }
            for number in range(_BATCH)
        ]
        with store.writing():
            store.tell(facts)
        count += _BATCH
    rate = count / (time.perf_counter() - begun)
    # What was only for the measure is no part of the year.
    with store.writing():
        store._db.execute("DELETE FROM facts")  # noqa: SLF001
    return rate


def _year(store: Store, names: list[str], told: argparse.Namespace) -> dict[str, int]:
    """Write a year as it is left at its end: fine spans of late, coarse ones before; give the requests of each service."""
    dice = Dice(7)
    truth: dict[str, int] = {}
    for name in names:
        subjects = [Subject(SERVICE, name, name)]
        subjects += [
            Subject(INSTANCE, name, f"{name}-{number}", "ab"[number % 2])
            for number in range(1, told.instances + 1)
        ]
        for subject in subjects:
            with store.writing():
                store.count(_counted(subject, told.days, dice, truth))
                _states(store, subject, told.days, dice)
    with store.writing():
        store.watch(NOW)
        store.forget(NOW)
        store._db.execute("INSERT OR REPLACE INTO about VALUES ('watched_until', ?)", (NOW,))  # noqa: SLF001
    store._db.execute("VACUUM")  # noqa: SLF001
    return truth


def _counted(subject: Subject, days: int, dice: Dice, truth: dict[str, int]) -> Iterator[Row]:
    kept = KEPT[subject.kind]
    # Where spans of a length begin to be kept, from the coarsest on.
    edges = [NOW - days * DAY, *(NOW - min(kept[level], days * DAY) for level in reversed(LEVELS[:-1])), NOW]
    for level, begin, end in zip(reversed(LEVELS), edges, edges[1:], strict=False):
        for at in range(begin - begin % level, end - end % level, level):
            requests = int(dice.between(2, 10) * level)
            failures = int(dice.random() < 0.01) * 3  # noqa: PLR2004
            counts = {
                "requests": requests,
                "failures": failures,
                "status_2xx": requests - failures,
                "status_5xx": failures,
                "micros": requests * 4000,
            }
            steps = range(100, 118) if subject.kind == SERVICE else range(95, 120, 8)
            latencies = {step: requests // len(steps) + 1 for step in steps}
            if subject.kind == SERVICE:
                truth[subject.name] = truth.get(subject.name, 0) + requests
            yield Row(subject, level, at, Account({k: v for k, v in counts.items() if v}, latencies))


def _states(store: Store, subject: Subject, days: int, dice: Dice) -> None:
    """An outage of some minutes every week or so."""
    at = float(NOW - days * DAY)
    while at < NOW:
        store.enter(subject, UP, at)
        at += dice.between(1, 14) * DAY
        if at < NOW:
            store.enter(subject, DOWN, at, "InstanceExited")
            at += dice.between(20, 600)


def _report(folder: Path) -> float:
    """Give how long the report takes, with the start of the program: the best of three."""
    took = []
    for _ in range(3):
        begun = time.perf_counter()
        done = subprocess.run(
            module("mainstay", "report", "--over", "90d", "--json"),
            cwd=folder,
            capture_output=True,
            check=False,
        )
        took.append(time.perf_counter() - begun)
        if done.returncode:
            sys.exit(done.stderr.decode())
        json.loads(done.stdout)
    return min(took)
