"""A service's figures in sentences: what one wants to know first, in this order, and what the figures cannot tell.

1. How much of the time it served, and how many nines the evidence supports.
2. How often it failed, and how long that lasted.
3. What nobody knows, and what stands out.
"""

import math
from collections.abc import Mapping
from typing import Any

from mainstay.ledger.figure import NONE, between, chance, counted, percent, span
from mainstay.reliability.summary import LEAST_FOR_TREND

_WORTH = 0.01
"""A share of the period below which what is unknown or excused is not worth a sentence of its own."""
_CERTAIN = 0.05
_FEW = 5
"""Repairs below which nothing is said of what change they would show: two that are alike by chance would seem to show all."""


def told(row: Mapping[str, Any]) -> list[str]:
    """Give the sentences on a service."""
    return [
        _availability(row["time"], row["requests"]),
        evidence(row["time"]),
        _failures(row["failures"], row["repair"]),
        *_requests(row["requests"]),
        *_users(row["users"]),
        *_trend(row["trend"], row["failures"]["count"]),
        *_unknown(row["time"]),
        *_unusual(row),
    ]


def _availability(time: Mapping[str, Any], requests: Mapping[str, Any]) -> str:
    if time["availability"] is None:
        return "Nobody watched in this period: nothing is known of it."
    watched = time["served"] + time["down"]
    down = f"down for {span(time['down'])}" if time["down"] else "never down"
    said = f"It served {percent(time['availability'])} of the {span(watched)} that were watched, {down}"
    failed = requests["valid"] - requests["good"]
    # Somebody served all the time, and not what was asked for: who reads no further has to know.
    if failed > _WORTH * requests["valid"] and requests["availability"] < time["availability"]:
        return f"{said}; and yet {counted(failed, 'request')} of {requests['valid']:,} failed."
    return f"{said}."


def evidence(time: Mapping[str, Any]) -> str:
    """Tell how many nines the evidence supports."""
    if time["availability"] is None:
        return "The evidence supports nothing yet."
    low, nines = time["low"], time["nines"]
    whole = math.floor(nines + 1e-9) if nines is not None else None
    what = "no nine" if not whole else f"{whole} nine{'' if whole == 1 else 's'}"
    said = f"The evidence supports {what}: at least {percent(low)}, with 95 % confidence"
    if time["assumed_repair"] is None:
        return f"{said} ({between(time['low'], time['high'])}, from {counted(time['outages'], 'outage')})."
    said += f", if an outage would take {span(time['assumed_repair'])}; there was none to measure"
    if time["next_after"]:
        said += (
            f". For {time['next_nines']} nine{'' if time['next_nines'] == 1 else 's'} it takes"
            f" {span(time['next_after'])} more without one"
        )
    return f"{said}."


def _failures(failures: Mapping[str, Any], repair: Mapping[str, Any]) -> str:
    low, high = span(failures["low"]), span(failures["high"])
    if not failures["count"]:
        if not failures["exposure"]:
            return "Nothing is known of how often it fails."
        return f"It did not fail: the mean time between failures is at least {low}."
    said = (
        f"It failed {_times(failures['count'])}: a mean time between failures of {span(failures['mtbf'])}"
        f" ({low} to {high})"
    )
    if not repair["count"]:
        return f"{said}. No repair was seen from its beginning to its end."
    said += f", and a mean time to repair of {span(repair['mean'])}"
    if repair["count"] == 1:
        return f"{said}, from a single repair: that says nothing of the next."
    if repair["count"] < _FEW:
        return f"{said} ({span(repair['low'])} to {span(repair['high'])}), from {repair['count']} repairs: too few to say more."
    return (
        f"{said} ({span(repair['low'])} to {span(repair['high'])}; half took up to {span(repair['median'])})."
        f" From {repair['count']} repairs, a change could be told from chance only beyond a factor of"
        f" {_factor(repair['visible'])}."
    )


def _requests(requests: Mapping[str, Any]) -> list[str]:
    if not requests["valid"]:
        return ["No request came."]
    why = (
        f"as failures come in clusters, they are as sure as {round(requests['effective']):,} independent ones"
        if requests["effective"] is not None
        else "counted as if they were independent, so take it as the narrowest"
    )
    said = f"Of {counted(requests['valid'], 'request')}, {requests['valid'] - requests['good']:,} failed:"
    sure = between(requests["low"], requests["high"])
    return [f"{said} {percent(requests['availability'])} were good ({sure}; {why})."]


def _users(users: Mapping[str, Any] | None) -> list[str]:
    if users is None:
        return []
    said = f"For its users it worked {percent(users['availability'])} of their time"
    if not users["down"]:
        return [f"{said}."]
    # Up to where the worst stretch is no worse than the whole: longer ones say nothing new.
    low = [one for one in users["worst"] if one["availability"] < users["availability"]][:3]
    worst = ", ".join(f"{percent(one['availability'])} of the worst {span(one['seconds'])}" for one in low)
    return [f"{said}{', ' if worst else ''}{worst}."]


def _trend(trend: Mapping[str, Any] | None, count: int) -> list[str]:
    if trend is None:
        if not count:
            return []
        return [f"Of a trend nothing can be said: it takes {LEAST_FOR_TREND} failures."]
    if trend["p"] >= _CERTAIN:
        return [f"No trend is seen in its failures (p = {chance(trend['p'])})."]
    way = "rarer" if trend["direction"] > 0 else "more frequent"
    said = f"Failures become {way} (p = {chance(trend['p'])}): one mean time between them says little"
    now = trend["now"]
    if now is None:
        return [f"{said}."]
    high = "any time" if now["high"] is None else span(now["high"])
    return [f"{said}. By now there is one in {span(now['mtbf'])} ({span(now['low'])} to {high})."]


def _unknown(time: Mapping[str, Any]) -> list[str]:
    period = sum(time[name] for name in ("served", "down", "excused", "unknown"))
    said = []
    if time["unknown"] > _WORTH * period:
        said.append(
            f"For {span(time['unknown'])} of the period nobody watched: that counts neither for nor against."
        )
    if time["excused"]:
        said.append(f"{_capital(span(time['excused']))} of maintenance and drills are not charged.")
    if time["degraded"]:
        said.append(f"For {span(time['degraded'])} it served with a part of it missing.")
    return said


def _unusual(row: Mapping[str, Any]) -> list[str]:
    """Tell in one line which instance or zone fails more than chance would allow."""
    exits = sum(one["exits"] - one["on_purpose"] for one in row["instances"])
    said = [f"{name} crashes over and over." for name in row["lives"]["crash_loops"]]
    if not exits:
        return said
    if not row["unusual"]:
        of = counted(exits, "exit")
        return [*said, f"Instances ended by themselves: {of}, none more often than chance would allow."]
    return said + [
        f"{'Zone ' if one['by'] == 'zone' else ''}{one['name']} fails more than chance would allow:"
        f" {one['failures']} of {one['of']} exits in {one['share'] * 100:.0f} % of the time (p = {chance(one['p'])})."
        for one in row["unusual"]
    ]


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count:,} times")


def _factor(value: float | None) -> str:
    return NONE if value is None else f"{value:.1f}" if value < 100 else "100"  # noqa: PLR2004 - no more than that is told


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
