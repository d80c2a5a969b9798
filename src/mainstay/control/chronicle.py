"""What of a running system goes into the ledger: its facts, what its workers count, and the state of each of its parts."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

from mainstay.base.facts import Emit, IncidentBegan, IncidentEnded
from mainstay.base.histogram import STEPS
from mainstay.gateway.tally import Tally, Totals
from mainstay.ledger.store import INSTANCE, SERVICE, Row, Store, Subject
from mainstay.ledger.writer import Writer
from mainstay.reliability.account import Account
from mainstay.reliability.incident import OVER, Incident, Watchman
from mainstay.reliability.span import DEGRADED, DOWN, UP

EVERY = 2.0
"""Seconds between two looks at what was counted: so much is lost when all processes are killed at once."""
_SLOT = 10
_DAY = 86400.0
_SUMS = (
    "requests",
    "failures",
    "broken",
    "cancelled",
    "refused",
    "retries",
    "hedges",
    "shed",
    "fallbacks",
    "user_up",
    "user_down",
)

Rows = Callable[[], list[dict[str, Any]]]


class Chronicle:
    """Keeps a ledger of one running system."""

    def __init__(self, writer: Writer, rows: Rows, emit: Emit) -> None:
        """Be ready to write.

        Args:
            writer: Writes.
            rows: Gives a line for each instance, with `service`, `instance`, `zone` and `serves`.
            emit: Takes facts about incidents.
        """
        self._emit = emit
        self.drilled: Callable[[str], bool] = lambda _: False
        """Tells whether a service is being broken on purpose now."""
        self._watchmen: dict[str, Watchman] = {}
        # Whose beginning was told.
        self._told: set[tuple[str, float]] = set()
        self._writer = writer
        self._rows = rows
        self._before: dict[Subject, Account] = {}
        self._states: dict[Subject, str] = {}
        # What has served before this process began, and runs since then: that it is down now is an outage.
        self._served: set[Subject] = set()
        # What each worker that was taken over had counted, until it is heard of: before that, its counts are in no sum.
        self._taken: dict[str, Mapping[Subject, Account] | None] = {}
        self._floor = 0.0
        writer.resume = self._resume

    def begin(self, workers: Iterable[str]) -> None:
        """Go on where the last one ended.

        Args:
            workers: Those that were taken over, as `baseline` names them: what they had counted is in the ledger already.
        """
        left = self._writer.left
        for worker in workers:
            self._served.update(left.states)
            told = left.baselines.get(worker, {}).get("subjects", ())
            # Of a ledger that knows nothing it cannot be told when what they have counted came.
            self._taken[worker] = dict(map(_heard, told)) if left.known else None
        for incident in left.incidents:
            self._watchman(incident.service).resume(incident, left.until)
            self._told.add((incident.service, incident.began))

    def keep(self, fact: Mapping[str, Any]) -> None:
        """Keep a fact."""
        told = [dict(fact)]
        self._writer.write(lambda store: store.tell(told))
        if (service := fact.get("service")) in self._watchmen:
            self._watchmen[service].hear(told[0])

    def look(self, now: float, because: str = "") -> None:
        """See whether a part is in another state than before.

        Args:
            now: Seconds since 1970.
            because: What has just happened.
        """
        rows, at = self._rows(), max(now, self._floor)
        states: dict[Subject, str] = {}
        of: dict[str, list[bool]] = {}
        for row in rows:
            of.setdefault(row["service"], []).append(bool(row["serves"]))
            subject = Subject(INSTANCE, row["service"], row["instance"], row["zone"] or "")
            # While one life replaces another there are two rows: it serves if either does.
            states[subject] = UP if row["serves"] or states.get(subject) == UP else DOWN
        for service, serving in of.items():
            state = UP if all(serving) else DEGRADED if any(serving) else DOWN
            states[Subject(SERVICE, service, service)] = state
            self._watch(service, state, now)
        for subject, state in states.items():
            self._see(subject, state, at, because)
        for subject in self._states.keys() - states.keys():
            del self._states[subject]
            self._served.discard(subject)
            self._writer.write(partial(_leave, subject=subject, at=at))

    def _watchman(self, service: str) -> Watchman:
        return self._watchmen.setdefault(service, Watchman(service))

    def _watch(self, service: str, state: str, now: float) -> None:
        # What has not served yet is being started, which is no incident.
        if self._has_served(Subject(SERVICE, service, service)) or state != DOWN:
            drill = self.drilled(service)
            watchman = self._watchman(service)
            self._file(watchman.see(now, serves=state != DOWN, whole=state == UP, drill=drill), now)

    def _file(self, incident: Incident | None, now: float) -> None:
        """Keep an incident that has changed, and tell of its beginning and its end."""
        if incident is None:
            return
        self._writer.write(partial(Store.file, incident=incident))
        if incident.state is OVER:
            self._emit(
                IncidentEnded(
                    at=now,
                    service=incident.service,
                    began=incident.began,
                    failed=incident.failed,
                    mitigated=incident.mitigated or now,
                    recovered=incident.recovered or now,
                )
            )
            self._told.discard((incident.service, incident.began))
        elif (incident.service, incident.began) not in self._told:
            self._told.add((incident.service, incident.began))
            self._emit(
                IncidentBegan(
                    at=now,
                    service=incident.service,
                    began=incident.began,
                    failed=incident.failed,
                    blame=incident.blame,
                )
            )

    def _see(self, subject: Subject, state: str, now: float, because: str) -> None:
        if self._states.get(subject) == state:
            return
        # What has not served yet is being started, which is no outage.
        if state == DOWN and not self._has_served(subject):
            return
        self._states[subject] = state
        self._writer.write(partial(_enter, subject=subject, state=state, at=now, because=because))

    def _has_served(self, subject: Subject) -> bool:
        return subject in self._states or subject in self._served

    def lapse(self, until: float, now: float) -> None:
        """Write down that nobody knows how anything was between two moments.

        Args:
            until: When it was last looked at, by the clock as it was then; seconds since 1970.
            now: By the clock as it is now; may be before that.
        """
        # What comes twice is kept as it was told first. A clock that is off by days is wrong now or was before, and nobody knows.
        self._floor = until if 0 < until - now <= _DAY else 0.0
        for subject, state in self._states.items():
            self._writer.write(partial(_leave, subject=subject, at=until))
            at = max(now, self._floor)
            self._writer.write(partial(_enter, subject=subject, state=state, at=at, because=""))

    def _resume(self, store: Store, now: float) -> None:
        """Write down how all is, after a time that could not be written; called by the thread that writes."""
        for subject, state in dict(self._states).items():
            store.resume(subject, state, max(now, self._floor))

    def count(self, now: float, counted: "Counted") -> None:
        """Write down what was counted since the last time.

        Args:
            now: Seconds since 1970.
            counted: All that ever was.
        """
        at = int(now) - int(now) % _SLOT
        self._take_over(counted)
        rows = []
        for subject, account in counted.accounts.items():
            before = self._before.get(subject)
            # Mostly nothing has come, which is seen at once.
            fresh = account.since(before or Account()) if account != before else Account()
            self._before[subject] = account
            if fresh:
                rows.append(Row(subject, _SLOT, at, fresh))
            if subject.kind == SERVICE:
                requests, failed = (fresh.counts.get(name, 0) for name in ("requests", "failures"))
                drill = self.drilled(subject.service)
                self._file(self._watchman(subject.service).count(now, requests, failed, drill=drill), now)
        if not rows:
            return
        # Of who was not heard of yet, what is known is what the last one knew.
        silent = {name: its for name, its in self._taken.items() if its is not None}
        alone = {name: silent.get(name, its) for name, its in counted.workers.items()}

        def work(store: Store) -> None:
            store.count(rows)
            store.remember({worker: _as_told(its) for worker, its in alone.items()})

        self._writer.write(work, len(rows) + sum(map(len, alone.values())))

    def _take_over(self, counted: "Counted") -> None:
        """Take what workers had counted before as known, as soon as they are heard of."""
        for name in list(self._taken):
            if int(name.partition("/")[0]) in counted.heard:
                its = self._taken.pop(name)
                for subject, account in (counted.workers.get(name, {}) if its is None else its).items():
                    self._before[subject] = self._before.get(subject, Account()) + account

    def end(self, now: float) -> None:
        """Write down that all of it ends on purpose: what follows is unknown, not down."""
        for subject in self._states:
            self._writer.write(partial(_leave, subject=subject, at=max(now, self._floor)))
        self._states.clear()


class Counted(NamedTuple):
    """All that was ever counted."""

    accounts: Mapping[Subject, Account]
    """Of each service and instance, over all workers that there are or were."""
    workers: Mapping[str, Mapping[Subject, Account]]
    """Of each living worker alone, by what names that very process."""
    heard: frozenset[int]
    """The pids of all workers, living or not, of which the counts are in `accounts`."""


def counted(tally: Tally, services: Iterable[str], workers: Mapping[str, int]) -> Counted:
    """Add up what was counted; may run in another thread, on a snapshot.

    Args:
        tally: The counts.
        services: All that there are.
        workers: The pid of each worker, by what names that very process.
    """
    found = {
        subject: account
        for service in services
        for subject, account in accounts(service, tally.totals(service)).items()
    }
    alone = {
        name: {
            subject: account
            for service, totals in tally.of_worker(pid).items()
            for subject, account in accounts(service, totals).items()
        }
        for name, pid in workers.items()
    }
    return Counted(found, alone, tally.heard)


def accounts(service: str, totals: Totals) -> dict[Subject, Account]:
    """Give what was ever counted of a service and of each of its instances."""
    counts: dict[str, int] = {name: totals.sums[name] for name in _SUMS}
    counts |= {f"status_{digit}xx": totals.classes[digit] for digit in range(1, 6)}
    counts["micros"] = totals.micros
    found = {Subject(SERVICE, service, service): Account(_nonzero(counts), totals.durations)}
    for instance, score in totals.scores.items():
        found[Subject(INSTANCE, service, instance)] = _of_instance(score)
    return found


def _of_instance(score: Mapping[str, int]) -> Account:
    counts = {f"status_{digit}xx": score.get(f"answers {digit}", 0) for digit in range(1, 6)}
    counts["requests"] = score.get("attempts", 0)
    counts["failures"] = sum(count for name, count in score.items() if name.startswith("failed "))
    counts["micros"] = score.get("micros", 0)
    # Counted by doublings: each is in the uppermost of its buckets.
    latencies = {
        int(name.removeprefix("took ")) * STEPS + STEPS - 1: count
        for name, count in score.items()
        if name.startswith("took ")
    }
    return Account(_nonzero(counts), latencies)


def _nonzero(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}


def _as_told(its: Mapping[Subject, Account]) -> dict[str, Any]:
    return {
        "subjects": [
            [
                *subject[:3],
                dict(account.counts),
                [[bucket, count] for bucket, count in account.latencies.items()],
            ]
            for subject, account in its.items()
        ]
    }


def _heard(told: list[Any]) -> tuple[Subject, Account]:
    kind, service, name, counts, latencies = told
    return Subject(kind, service, name), Account(counts, dict(latencies))


def _enter(store: Store, *, subject: Subject, state: str, at: float, because: str) -> None:
    store.enter(subject, state, at, because)


def _leave(store: Store, *, subject: Subject, at: float) -> None:
    store.leave(subject, at)
