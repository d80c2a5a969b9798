"""What the ledger says of a period, as plain values: docs/reference/json.md tells their shape."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from mainstay.base.histogram import quantile
from mainstay.ledger.audience import audience
from mainstay.ledger.store import INSTANCE, SERVICE, Store, Subject
from mainstay.ledger.told import told
from mainstay.reliability.account import Account
from mainstay.reliability.excess import excess
from mainstay.reliability.growth import Growth
from mainstay.reliability.interval import CONFIDENCE, Interval
from mainstay.reliability.life import (
    ADOPTED,
    EXITED,
    READY,
    STARTED,
    STOPPED,
    YOUNG,
    Event,
    Life,
    lives,
    loops,
)
from mainstay.reliability.lifetime import survival, weibull
from mainstay.reliability.share import Share, share
from mainstay.reliability.span import UNKNOWN, Span, over, uptime, within
from mainstay.reliability.summary import REPAIR, Available, Summary, available, failures, summary
from mainstay.reliability.trend import Trend

VERSION = 1
"""The version of the report's shape."""
_KINDS = {
    "InstanceStarted": STARTED,
    "InstanceBecameReady": READY,
    "InstanceExited": EXITED,
    "InstanceStopped": STOPPED,
    "InstanceAdopted": ADOPTED,
}
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_LEAST_LIVES = 5
_HALF = 0.5


def report(
    store: Store, since: float, until: float, services: Sequence[str] = (), assumed: float = REPAIR
) -> dict[str, Any]:
    """Give the report of a period.

    Args:
        store: The ledger.
        since: Seconds since 1970.
        until: Likewise; what lies after the last time at which somebody watched is unknown.
        services: Their names; all that the ledger knows, when none are told.
        assumed: Seconds that an outage is taken to last when there was none.
    """
    look = _Look(store, since, until, assumed)
    events = look.events()
    wanted = services or [subject.name for subject in store.subjects(SERVICE)]
    return {
        "version": VERSION,
        "since": since,
        "until": until,
        "watched_until": store.watched_until,
        "confidence": CONFIDENCE,
        "services": [_service(look, name, events.get(name, [])) for name in wanted],
    }


def availabilities(
    store: Store, since: float, until: float, services: Iterable[str]
) -> dict[str, float | None]:
    """Give the availability of services by time, of which nothing else is wanted."""
    look = _Look(store, since, until, REPAIR)
    return {
        name: uptime(
            over(look.spans(Subject(SERVICE, name, name)), store.marks(name, since, until))
        ).availability
        for name in services
    }


class _Look(NamedTuple):
    """What is looked at."""

    store: Store
    since: float
    until: float
    assumed: float

    def spans(self, subject: Subject) -> list[Span]:
        """Give all of the period."""
        told = self.store.spans(subject, self.since, self.until, self.until)
        return within(told, self.since, self.until)

    def events(self) -> dict[str, list[Event]]:
        """Give what happened to lives of instances, by service."""
        found: dict[str, list[Event]] = {}
        for fact in self.store.facts(self.since, self.until, tuple(_KINDS)):
            found.setdefault(fact["service"], []).append(_event(fact))
        return found


def _service(look: _Look, name: str, events: Sequence[Event]) -> dict[str, Any]:
    subject, excuses = (
        Subject(SERVICE, name, name),
        look.store.marks(name, look.since, look.until),
    )
    spans = over(look.spans(subject), excuses)
    found = summary(spans, assumed=look.assumed)
    blocks = look.store.blocks(subject, look.since, look.until, _level(look))
    row = {
        "service": name,
        "time": _time(found.available, found),
        "requests": _requests(share(blocks), look.store.counted(subject, look.since, look.until)),
        "users": audience(look.store, subject, look.since, look.until, _level(look)),
        "failures": _failures(found),
        "repair": _repair(found),
        "trend": _trend(found.trend, found.growth),
        **_instances(look, name, excuses, events),
    }
    return {**row, "timeline": [list(one) for one in spans], "told": told(row)}


def _level(look: _Look) -> int:
    """Give how long a block is: as long as most troubles at least, and so short that there are some."""
    seen = look.store.watched_until or look.until
    short = look.until - look.since <= _DAY and seen - look.since < look.store.kept(SERVICE)[_MINUTE]
    return _MINUTE if short else _HOUR


def _time(how: Available, found: Summary) -> dict[str, Any]:
    spent = found.spent
    return {
        "served": spent.served,
        "degraded": spent.degraded,
        "down": spent.down,
        "excused": spent.excused,
        "unknown": spent.unknown,
        "outages": spent.outages,
        "availability": how.share,
        **_between(how.interval),
        "assumed_repair": how.assumed,
        "nines": _finite(how.nines),
        "next_nines": None if how.next is None else how.next[0],
        "next_after": None if how.next is None else how.next[1],
    }


def _requests(found: Share, account: Account) -> dict[str, Any]:
    return {
        "valid": found.valid,
        "good": found.good,
        "availability": found.share,
        **_between(found.interval),
        "blocks": found.blocks,
        "effective": found.effective,
        **{
            name: account.counts.get(name, 0)
            for name in ("broken", "cancelled", "refused", "retries", "shed")
        },
        "p50": quantile(account.latencies, 0.5),
        "p99": quantile(account.latencies, 0.99),
    }


def _failures(found: Summary) -> dict[str, Any]:
    rate = found.rate
    if rate is None:
        return {"count": 0, "exposure": 0.0, "mtbf": None, "low": 0.0, "high": None}
    return {
        "count": rate.failures,
        "exposure": rate.exposure,
        "mtbf": _finite(rate.mtbf),
        **_between(rate.interval),
    }


def _repair(found: Summary) -> dict[str, Any]:
    seen = found.repair
    if seen is None:
        return {"count": 0, "unseen": found.unseen, **dict.fromkeys(_OF_REPAIR)}
    return {
        "count": seen.repairs,
        "unseen": found.unseen,
        "mean": seen.mean,
        "median": seen.median,
        "ninth": seen.ninth,
        **_between(seen.interval),
        "visible": _finite(seen.visible),
    }


_OF_REPAIR = ("mean", "median", "ninth", "low", "high", "visible")


def _trend(found: Trend | None, law: Growth | None) -> dict[str, Any] | None:
    if found is None:
        return None
    now = None
    if law is not None:
        now = {
            "shape": law.beta,
            "shape_low": law.interval.low,
            "shape_high": law.interval.high,
            "mtbf": law.end / (law.failures * law.unbiased),
            **_between(law.mtbf_interval()),
        }
    return {"test": "laplace", **found._asdict(), "now": now}


def _instances(look: _Look, service: str, excuses: Sequence[Span], events: Sequence[Event]) -> dict[str, Any]:
    """Give what its instances did: each of them, their lives, and what stands out."""
    subjects = look.store.subjects(INSTANCE, service)
    spans = {one.name: look.spans(one) for one in subjects}
    seen = look.store.watched_until
    every = lives(events, look.until if seen is None else min(look.until, seen))
    exits = [event for event in events if event.kind == EXITED]
    ended = Counter(event.instance for event in exits)
    excused = Counter(event.instance for event in exits if _excused(event.at, excuses))
    present = {name: _present(spans[name], name, every) for name in spans}
    rows = []
    for one in subjects:
        if not present[one.name] and not ended[one.name]:
            continue  # there was none in this period
        charged = over(spans[one.name], excuses)
        of = available(uptime(charged), failures(charged), assumed=look.assumed)
        rows.append(
            {
                "instance": one.name,
                "zone": one.zone,
                "availability": of.share,
                **_between(of.interval),
                "present": present[one.name],
                "exits": ended[one.name],
                "on_purpose": excused[one.name],
            }
        )
    return {"instances": rows, "lives": _lives(every), "unusual": _unusual(rows)}


def _event(fact: Mapping[str, Any]) -> Event:
    kind, reason = _KINDS[fact["fact"]], fact.get("reason", "")
    return Event(fact["at"], kind, fact["instance"], fact["generation"], reason)


def _excused(at: float, excuses: Iterable[Span]) -> bool:
    return any(excuse.since <= at < excuse.until for excuse in excuses)


def _present(spans: Iterable[Span], name: str, every: Iterable[Life]) -> float:
    """Give for how long an instance was there to fail; one that never served has no spans, but lives."""
    watched = sum(span.seconds for span in spans if span.state != UNKNOWN)
    return max(watched, sum(life.seconds for life in every if life.instance == name))


def _lives(every: Sequence[Life]) -> dict[str, Any]:
    ended = [life.seconds for life in every if life.ended == EXITED and life.seconds > 0]
    others = [life.seconds for life in every if life.ended != EXITED and life.seconds > 0]
    law = None
    if len(ended) >= _LEAST_LIVES and len(set(ended)) > 1:
        fit = weibull(ended, others)
        law = {"shape": fit.shape, "scale": fit.scale, **_between(fit.shape_interval)}
    return {
        "begun": len(every),
        "exits": len([life for life in every if life.ended == EXITED]),
        "stops": len([life for life in every if life.ended == STOPPED]),
        "going_on": len([life for life in every if not life.ended]),
        "young": len([life for life in every if life.ended == EXITED and life.seconds < YOUNG]),
        "crash_loops": loops(every),
        "reasons": dict(Counter(life.reason for life in every if life.ended == EXITED).most_common()),
        "median": next((step.age for step in survival(ended, others) if step.survives <= _HALF), None),
        "weibull": law,
    }


def _unusual(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Give which instance or zone ends by itself more often than chance would allow."""
    found = []
    for by in ("instance", "zone"):
        groups: dict[str, tuple[int, float]] = {}
        for row in rows:
            if name := row[by]:
                exits, exposure = groups.get(name, (0, 0.0))
                groups[name] = (exits + row["exits"] - row["on_purpose"], exposure + row["present"])
        found += [{"by": by, **one._asdict()} for one in excess(groups)]
    return found


def _between(interval: Interval) -> dict[str, float | None]:
    return {"low": _finite(interval.low), "high": _finite(interval.high)}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
