"""From what users saw and instances wrote down to the figures of one cell: pure."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.survival.instances import Arrival
from mainstay.drill.load.record import POST, UNSENT, Head, Record
from mainstay.drill.load.tally import orders, percentile

Entry = dict[str, Any]
"""The figures of one run of one cell; times in milliseconds unless told."""
GET, UNKEYED, KEYED = "get", "post", "keyed"
CLASSES = (GET, UNKEYED, KEYED)
SILENCE = 0.25
"""Seconds without a request for an instance after which it counts as left out: at a hundred a second, a gap of that length
comes by chance once in 10^11."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """What is known beside the records; times are the machine's monotonic clock."""

    begin: float
    """When the first users were to come."""
    broken: float
    healed: float
    journal: Sequence[str] = ()
    arrivals: Sequence[Sequence[Arrival]] | None = None
    """What reached each broken instance, if that can be seen."""
    facts: Sequence[Mapping[str, Any]] = field(default=())
    """What Mainstay told, with times of the wall clock."""


def entry(seen: Sequence[tuple[Head, Sequence[Record]]], told: Told) -> Entry:
    """Give the figures of one run."""
    records = [_moved(record, head.monotonic - told.begin) for head, found in seen for record in found]
    since, until = told.broken - told.begin, told.healed - told.begin
    by_class = _classes(seen, told.begin)
    posted = orders(records, told.journal)
    keyed = {record.id for record in by_class[KEYED]}
    made: Entry = {
        "sent": {name: len(of) for name, of in by_class.items()},
        "failed": {name: sum(record.failed for record in of) for name, of in by_class.items()},
        "failures": {name: _failures(of) for name, of in by_class.items()},
        "doubled": {
            UNKEYED: sum(name not in keyed for name in posted.twice),
            KEYED: sum(name in keyed for name in posted.twice),
        },
        "lost": len(posted.lost),
        "unsent": sum(record.outcome == UNSENT for record in records),
        "lag_p99": _ms(percentile(sorted(record.lag for record in records), 0.99)),
    }
    made |= _latency(records, since, until) | _troubles(records, since, until)
    if told.arrivals is not None:
        made |= _reached(told, made["failed"][UNKEYED])
    made["goodput"] = _goodput(records, since, until)
    return made | _facts(told, seen)


def _reached(told: Told, failed: int) -> Entry:
    """Say what reached the broken instances, and how many POSTs failed that need not have been sent there."""
    assert told.arrivals is not None
    known = [detected([one.at for one in each], told.broken, told.healed) for each in told.arrivals]
    made: Entry = {"detect": _longest(known)}
    within = [one for each in told.arrivals for one in each if told.broken <= one.at < told.healed]
    if any(one.kind is None for one in within):
        return made
    late = max((told.healed - told.broken if one is None else one for one in known), default=0.0)
    early = sum(one.kind == UNKEYED and one.at <= told.broken + late for one in within)
    return made | {"caught": len(within), "avoidable": max(0, failed - early)}


def detected(arrivals: Sequence[float], broken: float, healed: float) -> float | None:
    """Give the seconds until nothing more came to a broken instance for a while; None: it never stopped coming."""
    last = broken
    for at in sorted(at for at in arrivals if broken <= at < healed):
        if at - last >= SILENCE:
            return last - broken
        last = at
    return last - broken if healed - last >= SILENCE else None


def _classes(seen: Sequence[tuple[Head, Sequence[Record]]], begin: float) -> dict[str, list[Record]]:
    made: dict[str, list[Record]] = {name: [] for name in CLASSES}
    for head, found in seen:
        for record in found:
            name = GET if record.method != POST else KEYED if head.spec["keyed"] else UNKEYED
            made[name].append(_moved(record, head.monotonic - begin))
    return made


def _moved(record: Record, by: float) -> Record:
    return record._replace(at=record.at + by, end=record.end + by)


def _failures(records: Iterable[Record]) -> dict[str, int]:
    return dict(Counter(f"{r.outcome} {r.status}" if r.status else r.outcome for r in records if r.failed))


def _latency(records: Sequence[Record], since: float, until: float) -> Entry:
    during = sorted(r.latency for r in records if _meets(r, since, until) and not r.failed)
    return {
        "p50": _ms(percentile(during, 0.5)),
        "p99": _ms(percentile(during, 0.99)),
        "max": _ms(percentile(during, 1.0)),
        "max_any": _ms(max((r.latency for r in records if _meets(r, since, until)), default=math.nan)),
    }


def _troubles(records: Sequence[Record], since: float, until: float) -> Entry:
    """Say until when users noticed it: by failures, and by answers five times slower than before it began."""
    before = sorted(r.latency for r in records if r.end < since and not r.failed)
    usual = percentile(before, 0.99)
    failed = [max(0.0, r.at - since) for r in records if r.failed and r.end >= since]
    slow = [r.at - since for r in records if _meets(r, since, until) and r.latency > 5 * usual]
    return {
        "before_p50": _ms(percentile(before, 0.5)),
        "before_p99": _ms(usual),
        "last_failure": _ms(max(failed)) if failed else None,
        "last_slow": _ms(max(slow)) if slow else None,
        "slow": len(slow),
    }


def _meets(record: Record, since: float, until: float) -> bool:
    """Tell whether something was broken while it was on its way."""
    return record.at < until and record.end >= since


def _goodput(records: Sequence[Record], since: float, until: float) -> float:
    """Give the good answers a second while it was broken."""
    good = sum(not r.failed and since <= r.end < until for r in records)
    return round(good / (until - since), 1)


def _longest(times: Sequence[float | None]) -> float | None:
    known = [one for one in times if one is not None]
    return _ms(max(known)) if known and len(known) == len(times) else None


def _facts(told: Told, seen: Sequence[tuple[Head, Sequence[Record]]]) -> Entry:
    """Say how soon Mainstay told that a process had ended, and that its replacement was ready."""
    if not told.facts or not seen:
        return {}
    head = seen[0][0]
    broken = told.broken - head.monotonic + head.wall
    made: Entry = {}
    for key, name in (("exit_told", "InstanceExited"), ("back", "InstanceBecameReady")):
        after = [float(fact["at"]) - broken for fact in told.facts if fact["fact"] == name]
        after = [one for one in after if one >= -_SLACK]
        if after and told.arrivals is None:
            made[key] = _ms(max(0.0, min(after)) if key == "exit_told" else max(after))
    made["facts"] = Counter(str(fact["fact"]) for fact in told.facts if float(fact["at"]) >= broken)
    return made


_SLACK = 0.002
"""Seconds that the two clocks may differ by, as they are read one after the other."""


def _ms(seconds: float) -> float | None:
    return round(seconds * 1000, 2) if math.isfinite(seconds) else None
