"""The mechanisms of a service as the system file tells them; each builds the spec that its machine takes.

Defaults are the specs' own, so that the file, a program and a simulator mean the same by silence.
"""

import re
from http import HTTPStatus
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, PlainValidator, WithJsonSchema, model_validator

from mainstay.base.probe import Talk
from mainstay.redundancy.health import HealthSpec
from mainstay.redundancy.outlier import OutlierSpec
from mainstay.system.value import (
    Duration,
    DurationOrAuto,
    DurationOrZero,
    Share,
    ShareOrZero,
    Size,
    SizeOrZero,
    Slug,
    Switch,
    ValueOrOff,
    Whole,
    shown,
    wrong,
)
from mainstay.system.wire import WireBytes
from mainstay.tolerance.breaker import BreakerSpec
from mainstay.tolerance.budget import BudgetSpec
from mainstay.tolerance.hedge import HedgeSpec, SuspicionSpec
from mainstay.tolerance.key import KeySpec
from mainstay.tolerance.retry import RetrySpec

_HEALTH = HealthSpec()
_RETRY = RetrySpec()
_BREAKER = BreakerSpec()
_SUSPICION = SuspicionSpec()
_OUTLIER = OutlierSpec()
_KEYS = KeySpec()


class Section(BaseModel):
    """A mapping of known keys; every other key is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


def _path(written: object) -> str:
    if not isinstance(written, str) or not written.startswith("/"):
        raise wrong(f"must be a path that begins with /, as in /healthz, not {shown(written)}")
    if any(not "!" <= character <= "~" for character in written):
        raise wrong("must be printable ASCII without spaces: write others as %XX (RFC 3986 §2.1)")
    return written


UrlPath = Annotated[str, PlainValidator(_path), WithJsonSchema({"type": "string", "pattern": "^/[!-~]*$"})]
"""Path and query of a request."""


class Health(Section):
    """How Mainstay finds out whether an instance can work."""

    path: UrlPath | None = None
    """What to GET; 2xx and 3xx pass. Without it the question is `OPTIONS *`, which any HTTP answer passes
    (RFC 9110 §9.3.7): that proves a living HTTP server without knowing the application."""

    send: WireBytes | None = None
    """What to say to an instance that does not speak HTTP: text, or `{hex: 00 0a}` for bytes. Nothing unless
    told."""

    expect: WireBytes | None = None
    """What must be somewhere in its answer, as text or `{hex: …}`. Without it a connection that is accepted
    passes: any service can be asked that, but one that hangs passes as well, since the kernel accepts for it."""

    every: Duration = _HEALTH.every
    """Time between two checks. A second costs next to nothing and bounds how long a hang goes unseen;
    exits are known at once and do not wait for a check. A gateway worker makes at most 1000 checks a second, so
    that of more instances than that each is checked less often."""

    timeout: Duration = _HEALTH.timeout
    """How long an answer may take; an instance that needs longer to say yes has trouble."""

    down_after: Annotated[int, Whole(1, 100)] = _HEALTH.down_after
    """Failures in a row until it is down. Two, because one lost packet is no outage."""

    up_after: Annotated[int, Whole(1, 100)] = _HEALTH.up_after
    """Successes in a row until it is up again. One: traffic itself watches it from then on."""

    def talk(self) -> Talk:
        """Give what is said in place of HTTP."""
        said, expected = ((words or b"").decode("latin-1") for words in (self.send, self.expect))
        return Talk(said, expected)

    def spec(self) -> HealthSpec:
        """Build what the health machine takes."""
        return HealthSpec(
            every=self.every, timeout=self.timeout, down_after=self.down_after, up_after=self.up_after
        )


class Timeouts(Section):
    """How long each part of a request may take."""

    connect: Duration = 1.0
    """Until a connection to an instance is made. It is on this machine and answers in under a millisecond;
    a second leaves room for a full accept queue, whose first SYN is repeated after one second (RFC 6298)."""

    attempt: Duration = 10.0
    """Until one instance has answered. Never longer than `request`: when only `request` is told and is
    shorter, an attempt may take as long as it."""

    request: Duration = 30.0
    """Until the client has its answer, all attempts together. People give up earlier, and thirty seconds is
    what routers in front commonly allow."""

    idle: Duration = 60.0
    """How long nothing may move while a body is on its way, up or down: then the request has failed. Long
    enough for an event stream that says something now and then, short enough that dead connections go away."""

    tunnel: Duration = 3600.0
    """How long nothing may move on a connection that is passed on as it is: TCP, and WebSocket once it is
    agreed on. An hour, because pools of connections are silent for long; one whose other end is gone without
    a word is found earlier, by TCP keepalive."""

    def attempt_limit(self) -> float:
        """Give the longest that one attempt may take, in seconds."""
        if "attempt" in self.model_fields_set:
            return self.attempt
        return min(self.attempt, self.request)


class Retry(Section):
    """When a request is tried again on another instance; only what is proved to be safe ever is."""

    attempts: Annotated[int, Whole(1, 100)] = _RETRY.attempts
    """Attempts at one request, the first included. Three: two failures at once are rare, and each more
    attempt adds load when there is least room for it."""

    budget: ShareOrZero = _RETRY.budget.share
    """Retries as a share of all requests. With 20% a failing service gets at most a fifth more load, not
    a multiple of it."""

    def spec(self) -> RetrySpec:
        """Build what the retry policy takes."""
        return RetrySpec(attempts=self.attempts, budget=BudgetSpec(share=self.budget))


def _limit(written: object) -> int | str | None:
    if written in ("auto", "off"):
        return None if written == "off" else "auto"
    most = 10**6
    if isinstance(written, bool) or not isinstance(written, int) or not 1 <= written <= most:
        raise wrong(f"found {shown(written)}, allowed: auto, off, or a whole number from 1 to {most}")
    return written


_LIMIT = {"anyOf": [{"enum": ["auto", "off"]}, {"type": "integer", "minimum": 1, "maximum": 10**6}]}


class Hedge(Section):
    """When a second instance is asked as well, because the first takes longer than usual."""

    after: DurationOrAuto = None
    """How long an answer may take before a second attempt is made; `auto`, the default: longer than nineteen of twenty
    of the last hundred answers at least took. It is made for GET, HEAD and OPTIONS without a body, which change
    nothing; not where `sticky` ties a request to its instance."""

    def spec(self) -> HedgeSpec:
        """Build what the machine for one request takes."""
        return HedgeSpec(after=self.after)


class Suspicion(Section):
    """When silence puts an instance in doubt."""

    at_least: DurationOrZero = _SUSPICION.least
    """How long an instance must have been silent at least, however short its answers usually take. Below 50ms it is the
    machine that hiccups."""

    def spec(self) -> SuspicionSpec:
        """Build what the machine for one request takes."""
        return SuspicionSpec(least=self.at_least)


class Concurrency(Section):
    """How much a service is given at once, and what becomes of the rest."""

    limit: Annotated[int | Literal["auto"] | None, PlainValidator(_limit), WithJsonSchema(_LIMIT)] = "auto"
    """Requests that may wait for an answer of the service at once, over all gateway workers: a number, `auto` or `off`.
    `auto` is no limit as long as the service keeps up; when requests pile up in it, it is found out how many it works on
    best. What takes long, but keeps up, is not limited."""

    per_instance: Annotated[int | None, Whole(1, 10**6), ValueOrOff()] = None
    """Requests that may be in progress at one instance, over all gateway workers: for what has a fixed number of threads
    or connections. Off by default: most have not."""

    queue: DurationOrZero = 1.0
    """How long a request waits for room before it is refused with 503, first come first served. A second: a burst is over
    by then. When somebody has waited in it for a tenth of a second it is no burst: then the newest goes first, and
    nobody waits longer than that. 0 refuses at once."""

    client_priority: Switch = False
    """Whether clients say by `Priority` (RFC 9218) who goes first: urgencies 0 to 2 before 3, and 3 before 4 to 7. `off` by
    default: strangers would all be urgent. Without it, `priority` of `routes` decides."""


class Breaker(Section):
    """When an instance that keeps failing is given a rest."""

    window: Duration = _BREAKER.window
    """The stretch of time that the failure rate is taken over."""

    minimum: Annotated[int, Whole(1, 1_000_000)] = _BREAKER.minimum
    """Requests there must be in the window before the rate means anything; below it, chance speaks."""

    rate: Share = _BREAKER.rate
    """The share of failures that opens the circuit. Half: an instance that fails less still helps."""

    rest: Duration = _BREAKER.rest
    """How long the circuit stays open at first; each relapse doubles it, up to thirty seconds."""

    def spec(self) -> BreakerSpec:
        """Build what the circuit breaker takes."""
        return BreakerSpec(
            window=self.window,
            minimum=self.minimum,
            rate=self.rate,
            rest=self.rest,
            cap=max(_BREAKER.cap, self.rest),
        )


class Outlier(Section):
    """When traffic shows an instance to be worse than its peers; it is left out for a while."""

    refused: Annotated[int, Whole(1, 10_000)] = _OUTLIER.refused
    """Refused connections in a row. Few, because nothing that works refuses."""

    reset: Annotated[int, Whole(1, 10_000)] = _OUTLIER.reset
    """Connections in a row that ended before the answer was complete."""

    timeout: Annotated[int, Whole(1, 10_000)] = _OUTLIER.timeout
    """Requests in a row without an answer in time. More, because a slow query is not a dead instance."""

    failed: Annotated[int, Whole(1, 10_000)] = _OUTLIER.failed
    """Answers of 5xx in a row. Most of all, because the fault may be the request's or a dependency's."""

    errors: Annotated[Share | None, ValueOrOff()] = _OUTLIER.errors
    """The share of failures, of all four kinds, from which an instance is left out that has good answers in
    between, or `off`. It must also be twice that of all others together, and by more than chance explains: when
    all fail alike, nobody is left out. A tenth, because retries hide what is rarer."""

    slow: Annotated[int | None, Whole(2, 1000), ValueOrOff()] = _OUTLIER.slow
    """How many times as long as at the others answers must take, by the median, for an instance to be left out, or
    `off`. Five: far more than what tells one machine from another. If all are slow, nobody is left out."""

    slow_by: DurationOrZero = _OUTLIER.slow_by
    """By how much longer they must take at least. A tenth of a second: what is less, nobody notices."""

    window: Duration = _OUTLIER.window
    """The stretch of time over which instances are held against each other. Short: what went well before
    hides what goes wrong now."""

    minimum: Annotated[int, Whole(1, 1_000_000)] = _OUTLIER.minimum
    """Requests there must be in the window, to the instance and to all others, before a share means anything."""

    zone: Annotated[int | None, Whole(1, 1000), ValueOrOff()] = _OUTLIER.zone
    """How many instances of one zone must fail for certain within five seconds (refused, lost, silent, down or dead)
    for the rest of the zone to be asked last, until one of them is back, or for ten seconds; `off`: any number. Two:
    what fails at once in one zone has one cause. Means nothing without `zones`."""

    keep: ShareOrZero = _OUTLIER.keep
    """The share of instances that stay, at least one. Half: none can be sure to bear more than twice its part. Fewer
    stay only if those that do have been seen to give as many answers as all give now; who gives none takes nothing
    from the load that they carry."""

    def spec(self) -> OutlierSpec:
        """Build what the outlier detection takes."""
        return OutlierSpec(
            refused=self.refused,
            reset=self.reset,
            timeout=self.timeout,
            failed=self.failed,
            errors=self.errors,
            slow=self.slow,
            slow_by=self.slow_by,
            window=self.window,
            minimum=self.minimum,
            zone=self.zone,
            keep=self.keep,
        )


_STATUS = {"type": "integer", "minimum": 200, "maximum": 599}
_MEDIA = r"^[!-~]+/[!-~]+( ?;[ -~]+)?$"
_LONGEST_PAGE = 64 * 2**10


_STATUSES = frozenset(
    one.value for one in HTTPStatus if one.value // 100 in (2, 4, 5) and one.value not in (204, 205)
)


def _status(written: object) -> int:
    if not isinstance(written, int) or isinstance(written, bool) or written not in _STATUSES:
        raise wrong(f"must be a known status of 2xx, 4xx or 5xx that has a body, not {shown(written)}")
    return written


def _page(written: object) -> str:
    if not isinstance(written, str):
        raise wrong(f"must be text, not {shown(written)}")
    if len(written.encode()) > _LONGEST_PAGE:
        raise wrong(f"must be at most {_LONGEST_PAGE // 2**10}KiB, not {len(written.encode())} bytes")
    return written


def _media_type(written: object) -> str:
    if not isinstance(written, str) or re.fullmatch(_MEDIA, written) is None:
        raise wrong(f"must be a media type, as in text/html; charset=utf-8, not {shown(written)}")
    return written


class Idempotency(Section):
    """How the gateway keeps the first answers to writes that carry an `Idempotency-Key`."""

    keep: Duration = _KEYS.keep
    """How long an answer is kept, and with it that the request was carried out. A day, as large payment services do:
    who repeats a write later than that means a new one."""

    answer: SizeOrZero = _KEYS.answer
    """Up to which size the body of an answer is kept. Answers to writes are short. A longer one is passed on, and a
    repetition is told that it was given (`answer_not_kept`), and not carried out."""

    body: SizeOrZero = _KEYS.body
    """How long the body of a request with a key may be; a longer one is refused with 413. All of it has to be there, in
    memory, before it is known whether it is the same as before."""

    size: Size = _KEYS.size
    """How large the file may become in which a service's keys are kept. When it is full, answers are no longer kept, and
    then requests with new keys are refused with 503: to forget what was promised to be known would be worse."""

    def spec(self) -> KeySpec:
        """Build what the gateway takes."""
        return KeySpec(keep=self.keep, answer=self.answer, body=self.body, size=self.size)


class Fallback(Section):
    """What stands in for a service when none of its instances could be asked: another service, or a fixed answer."""

    service: Slug | None = None
    """The service that is asked in its place, as the request stands: one that takes requests over HTTP. Its own fallback
    is not followed. By default none: the answer below is given."""

    status: Annotated[int, PlainValidator(_status), WithJsonSchema(_STATUS)] = 503
    """The status of a fixed answer. 503, because that is what it is: caches, crawlers and programs then know that it is
    not the page that they asked for. Below 400 it is given to GET and HEAD alone: nobody is told that a write was done."""

    body: Annotated[str, PlainValidator(_page), WithJsonSchema({"type": "string"})] = ""
    """Its body, up to 64KiB, which every gateway worker keeps. Empty unless told."""

    type: Annotated[
        str, PlainValidator(_media_type), WithJsonSchema({"type": "string", "pattern": _MEDIA})
    ] = "text/html; charset=utf-8"
    """What its body is. A page by default, since it is written for people."""

    @model_validator(mode="after")
    def _one_of_both(self) -> "Fallback":
        fixed = [key for key in ("status", "body", "type") if key in self.model_fields_set]
        if self.service is not None and fixed:
            raise wrong(f"has a service, which answers by itself, and also {', '.join(fixed)}")
        if self.service is None and not self.model_fields_set & {"status", "body"}:
            raise wrong("needs a service, or a status or body of a fixed answer")
        return self


class Restart(Section):
    """How soon an instance that exited is started again; it is never given up."""

    delay: DurationOrZero = 0.1
    """The wait after a first exit; it doubles with each further one. Short, because most crashes are the
    only one for days."""

    cap: Duration = 30.0
    """The longest wait between two starts, so that a crash loop does not eat the machine. A life that
    lasted longer than this counts as stable, and the wait begins anew."""


class Logs(Section):
    """How much of an instance's output is kept on disk."""

    size: Size = 10 * 2**20
    """At this size a file is rotated. Ten MiB is hours of a talkative service, and an editor opens it."""

    keep: Annotated[int, Whole(0, 1000)] = 3
    """Rotated files that are kept beside the current one."""
