"""What a service promises its users, as the system file tells it: which share of requests is good, over how long."""

import datetime as dt
import re
import zoneinfo
from collections.abc import Iterator
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, Field, PlainValidator, WithJsonSchema, model_validator

from mainstay.base.errors import SpecError
from mainstay.base.units import DURATION_PATTERN, format_duration, format_share, parse_duration
from mainstay.reliability.objective import GOOD, METHODS, OCCURRENCES, ObjectiveSpec
from mainstay.system.mechanism import Section
from mainstay.system.value import Duration, OneOf, Share, Whole, shown, text, wrong

CALENDAR = {"week": 7, "month": 30, "quarter": 91, "year": 365}
"""Periods of the calendar, and about how many days each has."""
SLICES = {"10s": (10, 1), "1m": (60, 14), "1h": (3600, 366), "1d": (86400, 366)}
"""Slices by how they are written: their seconds, and for how many days the ledger keeps what was counted in each."""
AVAILABILITY = "availability"
"""The name of the objective that the status of answers decides; others have that of their percentile, as in `p99`."""

_DAY = 86400
_LEAST, _MOST = 3600.0, 366.0 * _DAY
_PERCENTILE = re.compile(r"p([0-9]{1,2}(?:\.[0-9]{1,3})?)")
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_SPEC = ObjectiveSpec(target=0.5)


class Period(NamedTuple):
    """From when until when a budget counts, in seconds since 1970."""

    since: float
    until: float

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.until - self.since


def _below_all(written: float) -> float:
    if written >= 1:
        raise wrong("must be below 100%: what may never fail has no budget, and everything fails sometimes")
    return written


def _percentile(written: object) -> str:
    match = _PERCENTILE.fullmatch(written) if isinstance(written, str) else None
    if match is None or not float(match[1]):
        raise wrong(
            f"{shown(written)} is not a percentile: write p and a number below 100, as in p99 or p99.9"
        )
    return match[0]


def _over(written: object) -> float | str:
    calendar = f"or one of {', '.join(CALENDAR)}"
    if isinstance(written, str) and written in CALENDAR:
        return written
    if isinstance(written, (dict, list, bool)) or written is None:
        raise wrong(f"found {shown(written)}, allowed: a duration as in 30d, {calendar}")
    try:
        seconds = parse_duration(written)
    except SpecError as error:
        raise wrong(f"{error}; {calendar}") from error
    if not _LEAST <= seconds <= _MOST:
        raise wrong(f"must be from {format_duration(_LEAST)} to {format_duration(_MOST)}, {calendar}")
    return seconds


def _zone(written: object) -> str:
    name = text(written)
    try:
        _timezone(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise wrong(
            f"{shown(name)} is not a time zone of this machine: write one as in Europe/Berlin"
        ) from None
    return name


def _classes(written: object) -> tuple[str, ...]:
    found = tuple(written) if isinstance(written, (list, tuple)) else (written,)
    for one in found:
        if one not in GOOD:
            raise wrong(f"found {shown(one)}, allowed: {', '.join(GOOD)}, and lists of them")
    if not found:
        raise wrong("must name at least one class: nothing could ever be good")
    return tuple(dict.fromkeys(found))


Target = Annotated[Share, AfterValidator(_below_all)]
"""A share below 100 %."""
Percentile = Annotated[
    str,
    PlainValidator(_percentile),
    WithJsonSchema({"type": "string", "pattern": f"^{_PERCENTILE.pattern}$"}),
]
"""As in `p99`."""
Over = Annotated[
    float | str,
    PlainValidator(_over),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": DURATION_PATTERN, "examples": ["30d"]},
                {"enum": list(CALENDAR)},
            ]
        }
    ),
]
"""Seconds until now, or a period of the calendar."""
Zone = Annotated[str, PlainValidator(_zone), WithJsonSchema({"type": "string", "minLength": 1})]
"""A time zone by its name."""
Classes = Annotated[
    tuple[str, ...],
    PlainValidator(_classes),
    WithJsonSchema({"type": "array", "items": {"enum": list(GOOD)}, "minItems": 1}),
]
"""Classes of status."""


class Objective(Section):
    """What users are promised: which share of requests is good. What may be bad is the error budget."""

    availability: Target | None = None
    """The share of requests that must be answered well, as in `99.9%`. Without it, and without `latency`, there is nothing
    to keep."""

    latency: dict[Percentile, Duration] = Field(default_factory=dict, max_length=10)
    """By percentile, within what time so many of the answers must be there: `p99: 300ms` is 99 of 100 in 300 ms. The ledger
    keeps latencies in buckets an eighth of a doubling wide; answers in the bucket that the limit lies in count as late. None by
    default: how fast is fast enough, only you know."""

    good: Classes = GOOD
    """Classes of status that count as good; answers that were cut are bad, whatever they began with. All but 5xx by default:
    whoever asks for what is not there is answered well with 404."""

    over: Over = 30.0 * _DAY
    """The time that the budget is for: a duration that ends now, or `week`, `month`, `quarter` or `year` of the calendar. 30 days by
    default: what was bad is forgotten by and by, and on no day all at once."""

    time_zone: Zone = "UTC"
    """Where weeks and months begin at midnight."""

    budgeting: Annotated[str, OneOf(*METHODS)] = OCCURRENCES
    """How the budget is counted, in OpenSLO's words. `occurrences`: every request counts the same. `timeslices`: each slice of time is
    good or bad. `ratio_timeslices`: each slice counts the same, with its own share of good requests. Requests by default: those are
    what users feel; by slices, a minute at night counts as much as one at noon."""

    slice: Annotated[str, OneOf(*SLICES)] = "1m"
    """How long a slice is, where slices count. The ledger keeps what was counted in each ten seconds for a day, in each minute for 14
    days, in each hour for more than a year: with a minute, `over` can be 14d at most."""

    slice_target: Share | None = None
    """The share of good requests from which on a slice is good, with `timeslices`. That of the objective by default."""

    at_least: Annotated[int, Whole(1, 1_000_000)] = _SPEC.at_least
    """How many events have to be bad in the long window of an alert before somebody is told. Where ten requests come in an hour, one
    that fails looks like a hundred times what 99.9% allow, and is an accident; five are not."""

    @model_validator(mode="after")
    def _promises_something(self) -> "Objective":
        if self.availability is None and not self.latency:
            raise wrong("must have availability or latency, as in { availability: 99.9% }")
        return self

    @property
    def sliced(self) -> bool:
        """Whether slices of time count."""
        return self.budgeting != OCCURRENCES

    @property
    def nominal(self) -> float:
        """How long the period is, about, in seconds: months are not equally long, and windows of alerts should be."""
        return self.over if isinstance(self.over, float) else float(CALENDAR[self.over] * _DAY)

    def period(self, now: float) -> Period:
        """Give the period of the budget at a time, in seconds since 1970."""
        if isinstance(self.over, float):
            return Period(now - self.over, now)
        zone = _timezone(self.time_zone)
        day = dt.datetime.fromtimestamp(now, zone).replace(hour=0, minute=0, second=0, microsecond=0)
        if self.over == "week":
            begin = day - dt.timedelta(days=day.weekday())
            return Period(begin.timestamp(), (begin + dt.timedelta(days=7)).timestamp())
        months = _MONTHS[self.over]
        begin = day.replace(month=(day.month - 1) // months * months + 1, day=1)
        years, month = divmod(begin.month - 1 + months, 12)
        return Period(begin.timestamp(), begin.replace(year=begin.year + years, month=month + 1).timestamp())

    def specs(self) -> dict[str, ObjectiveSpec]:
        """Give what is promised, by name: `availability`, `p99`."""
        found = {}
        if self.availability is not None:
            found[AVAILABILITY] = self._spec(self.availability, None)
        for percentile, limit in self.latency.items():
            target = round(float(percentile.removeprefix("p")) / 100, 9)
            found[percentile] = self._spec(target, limit)
        return found

    def _spec(self, target: float, latency: float | None) -> ObjectiveSpec:
        return ObjectiveSpec(
            target=target,
            latency=latency,
            good=self.good,
            method=self.budgeting,
            slice=SLICES[self.slice][0],
            slice_target=self.slice_target,
            at_least=self.at_least,
        )

    def problems(self) -> Iterator[tuple[str, str]]:
        """Give what does not fit together, each with its key."""
        days = SLICES[self.slice][1]
        if self.sliced and self.nominal > days * _DAY:
            kept = f"what was counted in each is kept for {days}d, and a larger slice for longer"
            yield "slice", f"{self.slice} is too fine for so long a time: {kept}"
        for key in ("slice", "slice_target"):
            if key in self.model_fields_set and not self.sliced:
                yield key, "means nothing with `budgeting: occurrences`: no slices are counted"
        if "time_zone" in self.model_fields_set and isinstance(self.over, float):
            yield (
                "time_zone",
                f"means nothing with `over: {format_duration(self.over)}`: it begins at no midnight",
            )


def told(name: str, spec: ObjectiveSpec) -> str:
    """Say in short what is promised: `99.9% good`, `99% within 300ms`."""
    how = (
        "good" if name == AVAILABILITY or spec.latency is None else f"within {format_duration(spec.latency)}"
    )
    return f"{format_share(spec.target)} {how}"


def _timezone(name: str) -> dt.tzinfo:
    return dt.UTC if name == "UTC" else zoneinfo.ZoneInfo(name)
