"""How the objectives of a running system stand: looked up in its ledger again and again, and told when a budget burns."""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from mainstay.base.clock import Clock
from mainstay.base.errors import MainstayError
from mainstay.base.facts import AlertFact, AlertFired, AlertResolved, Fact
from mainstay.ledger.promise import Past, Standing, rates, readings, standings
from mainstay.ledger.store import Store, reading
from mainstay.reliability.burn import FIRING, RESOLVED, SEVERITIES, Alert, Reading, burn, burns
from mainstay.system.objective import Objective, told
from mainstay.system.schema import System

LOOK = 10.0
"""Seconds between two looks: as fine as the ledger counts, and a sixth of the shortest window."""
_FAR = 1e12

Key = tuple[str, str, str]
"""Service, objective, severity."""
Notify = Callable[[dict[str, Any], dict[str, Any]], None]
"""Takes an `AlertFired` or `AlertResolved`, and the `AlertFired` that it began with."""


class Look(NamedTuple):
    """What was found of one objective."""

    standing: Standing
    readings: list[Reading]


class Promises:
    """The objectives of a running system."""

    def __init__(self, ledger: Path, clock: Clock, emit: Callable[[Fact], None], notify: Notify) -> None:
        """Be ready to look.

        Args:
            ledger: Its file.
            clock: Tells the time.
            emit: Told of alerts.
            notify: Tells people of them.
        """
        self._ledger = ledger
        self._clock = clock
        self._emit = emit
        self._notify = notify
        self._alerts: dict[Key, Alert] = {}
        self._fired: dict[Key, dict[str, Any]] = {}
        self._begun = False
        self._looks: dict[tuple[str, str], Look] = {}

    async def look(self, system: System) -> None:
        """See how all objectives stand, one service after another, and tell what has changed."""
        promised = {
            name: service.objective
            for name, service in system.services.items()
            if service.objective is not None
        }
        try:
            if not self._begun:
                self._fired = await asyncio.to_thread(_left_firing, self._ledger)
                self._begun = True
            for name, objective in promised.items():
                # Read beside the loop, which has traffic to supervise; judged within it.
                for look in await asyncio.to_thread(
                    _looked, self._ledger, name, objective, self._clock.wall()
                ):
                    self._looks[name, look.standing.name] = look
        except (MainstayError, sqlite3.Error):
            return  # the ledger cannot be read now; who writes it tells why
        known = {(name, one) for name, objective in promised.items() for one in objective.specs()}
        self._looks = {key: look for key, look in self._looks.items() if key in known}
        self._drop(known)
        for look in self._looks.values():
            self._judge(look)

    def _judge(self, look: Look) -> None:
        standing, now = look.standing, self._clock.wall()
        for severity in SEVERITIES:
            key = (standing.service, standing.name, severity)
            mine = [one for one in look.readings if one.pair.severity == severity]
            news = self._alert(key, standing).judge(now, mine)
            if news is FIRING:
                self._fire(now, key, look, mine)
            elif news is RESOLVED:
                self._resolve(now, key, "the short window is good")

    def _alert(self, key: Key, standing: Standing) -> Alert:
        alert = self._alerts.get(key)
        if alert is None:
            since = self._fired[key]["at"] if key in self._fired else None
            alert = self._alerts[key] = Alert(standing.spec, since)
        alert.spec = standing.spec  # what was promised may have been changed
        return alert

    def _fire(self, now: float, key: Key, look: Look, mine: list[Reading]) -> None:
        standing = look.standing
        worst = next(one for one in mine if burns(standing.spec, one))
        fact = AlertFired(
            at=now,
            service=standing.service,
            objective=standing.name,
            severity=key[2],
            promise=told(standing.name, standing.spec),
            burn=burn(standing.spec, worst.long) or 0.0,
            window=worst.pair.long,
            bad_events=worst.long.bad_events,
            events=worst.long.events,
            budget_left=standing.budget.left,
        )
        self._fired[key] = fact.record()
        self._tell(fact, key)

    def _resolve(self, now: float, key: Key, because: str) -> None:
        service, objective, severity = key
        fact = AlertResolved(
            at=now,
            service=service,
            objective=objective,
            severity=severity,
            lasted=now - self._fired[key]["at"],
            because=because,
        )
        self._tell(fact, key)
        del self._fired[key]

    def _tell(self, fact: AlertFact, key: Key) -> None:
        self._emit(fact)
        self._notify(fact.record(), self._fired[key])

    def _drop(self, known: set[tuple[str, str]]) -> None:
        """Forget alerts of objectives that there are no more, and tell that they are over."""
        for key in [key for key in self._alerts if key[:2] not in known]:
            del self._alerts[key]
        for key in [key for key in self._fired if key[:2] not in known]:
            self._resolve(self._clock.wall(), key, "there is no such objective any more")

    def firing(self) -> list[dict[str, Any]]:
        """Give the `AlertFired` of each alert that goes on."""
        return list(self._fired.values())

    def rows(self) -> list[dict[str, Any]]:
        """Give a line for each objective, as plain values."""
        return [
            look.standing.record()
            | {
                "over": look.standing.objective.over,
                "burn_rates": {
                    f"{seconds:.0f}": rate
                    for seconds, rate in rates(look.standing.spec, look.readings).items()
                },
                "alerts": [severity for severity in SEVERITIES if (*key, severity) in self._fired],
            }
            for key, look in self._looks.items()
        ]


def _looked(ledger: Path, service: str, objective: Objective, now: float) -> list[Look]:
    with reading(ledger) as store:
        past = Past(store, service)
        return [
            Look(one, readings(past, one.spec, objective.nominal, now))
            for one in standings(past, objective, now)
        ]


def _left_firing(ledger: Path) -> dict[Key, dict[str, Any]]:
    with reading(ledger) as store:
        return still_firing(store)


def still_firing(store: Store) -> dict[Key, dict[str, Any]]:
    """Give the alerts that a ledger has as firing, each with the fact by which it was told."""
    found: dict[Key, dict[str, Any]] = {}
    for fact in store.facts(0.0, _FAR, (AlertFired.__name__, AlertResolved.__name__)):
        key = (fact["service"], fact["objective"], fact["severity"])
        found.pop(key, None)
        if fact["fact"] == AlertFired.__name__:
            found[key] = fact
    return found
