"""Writes with an `Idempotency-Key`, for a service that does not know such keys itself: each is carried out once.

::

    body comes ──▶ asks for its key ──▶ runs as any other ──▶ what came of it is written down ──▶ answered
                          └──▶ answered from what is known of the first one

That a request runs is on disk before an instance gets it, and its answer is before the client has all of it. So whatever dies in
between, a repetition finds at worst that nobody knows, and is not carried out again.

A client that leaves while its request runs does not end it: the answer is there when it asks again.
"""

import re
from hashlib import sha256
from math import inf
from time import monotonic
from typing import TYPE_CHECKING

from mainstay.base.outcome import Outcome
from mainstay.gateway.http.exchange import Exchange
from mainstay.gateway.http.request import Request
from mainstay.gateway.http.response import Response
from mainstay.gateway.keys.store import Answer
from mainstay.tolerance.key import ANSWER, DOUBT, OUTGROW, RELEASE, Event, Verdict

if TYPE_CHECKING:
    from mainstay.gateway.http.client import ClientConnection
    from mainstay.gateway.http.connection import UpstreamConnection
    from mainstay.gateway.http.sticky import Sticky

# How far it has come.
_COMING, _ASKING, _RUNNING, _SETTLING, _OVER = range(5)

_PATIENCE = 5.0
"""Seconds that the disk has to take an answer; after them it is given all the same."""
HEAVY = 256 * 2**20
"""Bytes of all bodies that one worker has in memory for one service before they are sent; more is refused."""
_NAME = b"idempotency-key:"
# A string of RFC 8941 §3.3.3, as the draft has it; or what many clients send, such as a UUID without quotes.
_QUOTED = re.compile(rb'"((?:[ !\x23-\x5b\x5d-\x7e]|\\["\\]){1,255})"')
_BARE = re.compile(rb"[!\x23-\x2b\x2d-\x7e]{1,255}")
_ESCAPED = re.compile(rb"\\(.)")
_TELLING = frozenset({b"authorization", b"client-cert", b"content-type", b"content-encoding"})
"""Fields that tell one request from another: who asks, and what the body means."""
_REPLAYED = b"Idempotent-Replayed: true"
_REASONS = {
    Verdict.WAIT: "key_in_use",
    Verdict.OTHER: "key_reused",
    Verdict.LOST: "answer_not_kept",
    Verdict.DOUBT: "key_in_doubt",
}


def carries_key(request: Request) -> bool:
    """Tell whether a request that must not run twice carries a key, whatever it is worth."""
    return not request.idempotent and any(line[: len(_NAME)].lower() == _NAME for line in request.lines)


def key_of(lines: list[bytes]) -> bytes | None:
    """Read the key, with quotes or without; None: there is not exactly one, or it is none."""
    found = [line[len(_NAME) :].strip(b" \t") for line in lines if line[: len(_NAME)].lower() == _NAME]
    if len(found) != 1:
        return None
    quoted = _QUOTED.fullmatch(found[0])
    if quoted is not None:
        return _ESCAPED.sub(rb"\1", quoted[1])
    return found[0] if _BARE.fullmatch(found[0]) else None


def fingerprint(request: Request, body: bytes) -> bytes:
    """Give what tells a request with a body of that digest from every other; whose it is, too."""
    # However their names are written, and in whatever order: another way of writing is no other request.
    told = sorted(
        name.lower() + b":" + value.strip(b" \t")
        for name, _, value in (line.partition(b":") for line in request.lines)
        if name.lower() in _TELLING
    )
    parts = [request.method, request.host.lower(), request.target, *told]
    # No part of a head has a NUL in it, and what comes last has always the same length.
    return sha256(b"\0".join([*parts, body])).digest()


class Keyed(Exchange):
    """One of them, and the answer to it."""

    __slots__ = (
        "_alone",
        "_copied",
        "_copy",
        "_digest",
        "_exposed",
        "_kept",
        "_key",
        "_phase",
        "_until",
        "_weight",
        "_why",
        "keeper",
        "name",
    )

    def __init__(self, client: "ClientConnection", request: Request, now: float) -> None:
        super().__init__(client, request, now)
        assert self.route.keeper is not None
        self.keeper = self.route.keeper
        self.name = ""
        """Under which it holds its key."""
        self._key = b""
        self._phase = _COMING
        # Of its body: what tells it from others, and the bytes of it that are in memory.
        self._digest = sha256()
        self._weight = 0
        # Bytes of it may have reached an instance.
        self._exposed = False
        # The client has left; and how long this goes on without it.
        self._alone = False
        self._until = inf
        # What it is answered with when that is written down; None: the instance's answer.
        self._why: str | None = None
        # The answer's lines, and its body as long as that is not too long to be kept.
        self._kept: list[bytes] = []
        self._copy: list[bytes] | None = None
        self._copied = 0

    # --- until it may run ---

    def begin(self, now: float) -> None:
        """Wait until all of it is there: before that nobody knows whether it is the same as another."""
        request = self.request
        self.route.in_flight += 1
        if request.offers:
            # What runs once goes over to nothing else.
            request.offer(())
            self.client.hear_again()
        if request.patience is not None:
            self.call.shorten(now, request.patience)
        key = key_of(request.lines)
        if key is None:
            self._answer_ourselves("bad_key", now)
        elif max(request.length, request.size) > self.keeper.spec.body:
            self._answer_ourselves("body_too_large", now)
        else:
            self._key = sha256(key).digest()
            for data in request.body:
                self._weigh(data)
            if request.complete:
                self._ask()
            else:
                self._wait(now + self.route.settings.idle)
                if request.expects:
                    self.client.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                self.client.unpause()

    def more(self, data: bytes) -> None:
        """Keep a piece of the request's body."""
        self.request.body.append(data)
        self._weigh(data)
        if self.request.size > self.keeper.spec.body:
            self._answer_ourselves("body_too_large", monotonic())
        elif self.keeper.weight > HEAVY:
            self._answer_ourselves("keys_unavailable", monotonic())

    def _weigh(self, data: bytes) -> None:
        """Take a piece of the body into account."""
        self._digest.update(data)
        self._weight += len(data)
        self.keeper.weight += len(data)

    def _lighten(self) -> None:
        """Let the body go."""
        self.keeper.weight -= self._weight
        self._weight = 0
        self.request.body = []

    def ended(self, now: float) -> None:
        """The request is there; the time for the answer counts from here."""
        if not self.done:
            self.call.extend(now)
            self._ask()

    def _ask(self) -> None:
        self._phase = _ASKING
        self._wait(self.call.deadline.at)
        self.keeper.holding.add(self)
        self.name = self.keeper.take(self._key, fingerprint(self.request, self._digest.digest()), self)

    def taken(self, verdict: Verdict | None, answer: Answer) -> None:
        """Hear what is to become of it; None: nobody can know, so that nothing is done."""
        if self.done:
            return
        now = monotonic()
        if verdict is Verdict.RUN:
            self._phase = _RUNNING
            self.route.note_key("taken")
            self._seek_room(now)
            return
        self._phase = _OVER
        self.keeper.holding.discard(self)
        if verdict is None:
            self._answer_ourselves("keys_unavailable", now)
        elif verdict is Verdict.REPLAY:
            self._replay(answer, now)
        else:
            self._answer_ourselves(_REASONS[verdict], now)

    def _replay(self, answer: Answer, now: float) -> None:
        """Give the answer that the first one got."""
        response = Response.read(answer.head, self.date(), to_head=False)
        if response is None:
            self._answer_ourselves("answer_not_kept", now)
            return
        self.route.note_key("replayed")
        response.lines.append(_REPLAYED)
        self._response = response
        self._answered_at = now
        self._held = True
        self._pending += [self._head(response), answer.body]
        self._deliver(response, now)

    # --- while it runs ---

    def _send(self, connection: "UpstreamConnection", now: float) -> None:
        self._exposed = True
        super()._send(connection, now)
        self._lighten()  # it is not sent again

    def _head(self, response: Response) -> bytes:
        self._kept = [
            response.first,
            *(line for line in response.lines if not line.lower().startswith(b"idempotent-replayed:")),
        ]
        self._copied = 0
        self._copy = [] if response.length <= self.keeper.spec.answer else None
        return super()._head(response)

    def _tie(self, sticky: "Sticky", lines: list[bytes]) -> None:
        if self.call.attempt:
            super()._tie(sticky, lines)

    def piece(self, data: bytes) -> None:
        """Take a piece of the answer's body, and keep it as well."""
        if self._copy is not None:
            self._copied += len(data)
            if self._copied > self.keeper.spec.answer:
                self._copy = None
            else:
                self._copy.append(data)
        super().piece(data)

    def flush(self, now: float) -> None:
        """Send what has been read; or end a long answer that nobody reads or will."""
        if self._alone and not self._held and (self._copy is None or now >= self._until):
            self._let_go()
            self.withdraw(now)
        else:
            super().flush(now)

    # --- what came of it ---

    def _deliver(self, response: Response, now: float) -> None:
        if self._phase == _RUNNING:
            if self._copy is None:
                self._settle(OUTGROW, Answer(), now)
            else:
                self._settle(ANSWER, self._written(response, self._copy), now)
        elif self._alone:
            self._end(now)
        else:
            super()._deliver(response, now)

    def _written(self, response: Response, pieces: list[bytes]) -> Answer:
        body = b"".join(pieces)
        if response.length < 0:
            self._kept.append(b"Content-Length: %d" % len(body))
        return Answer(b"\r\n".join([*self._kept, b"\r\n"]), body)

    def _answer_ourselves(self, reason: str, now: float) -> None:
        if self._phase == _RUNNING:
            self._why = reason
            self._settle(self._fate(), Answer(), now)
        elif self._alone:
            self._end(now)
        else:
            super()._answer_ourselves(reason, now)

    def _break(self, outcome: Outcome, now: float) -> None:
        if self._phase == _RUNNING and self.answering:
            # The client sees at once that the rest is missing.
            self._let_go()
        if self._alone and self.answering:
            if not self._settled:
                self.call.settle(now, outcome)
            self._end(now)
        else:
            super()._break(outcome, now)

    def _may_divert(self, service: str) -> bool:  # noqa: ARG002 - none of them
        # What is known of its key is known of this service.
        return False

    def _fate(self) -> Event:
        """Give what is known without an answer."""
        return DOUBT if self._exposed else RELEASE

    def _settle(self, event: Event, answer: Answer, now: float) -> None:
        """Have it written down, and then go on."""
        self._phase = _SETTLING
        self._wait(now + _PATIENCE)
        self.route.note_key(event.value)
        self.keeper.settle(self._key, self.name, event, answer, self)

    def settled(self) -> None:
        """Go on: what came of it is written down."""
        self.keeper.holding.discard(self)
        if not self.done and self._phase == _SETTLING:
            self._go_on_after(monotonic())

    def _go_on_after(self, now: float) -> None:
        self._phase = _OVER
        if self._why is not None:
            self._answer_ourselves(self._why, now)
        else:
            assert self._response is not None
            self._deliver(self._response, now)

    def _let_go(self) -> None:
        """Have it written down that there is no answer, without waiting for it.

        If it is not known yet whether it is the first, that is written down behind what asks for it, and means
        nothing if it is not.
        """
        event = self._fate()
        if self._phase == _RUNNING:
            self.route.note_key(event.value)
        self._phase = _OVER
        self.keeper.holding.discard(self)
        self.keeper.settle(self._key, self.name, event, Answer())

    # --- the others tell us ---

    def expired(self, now: float) -> None:
        """Act on a deadline that has passed."""
        if self.done:
            return
        if self._phase == _COMING:
            self._upload_stalls(now)
        elif self._phase == _ASKING:
            self._let_go()
            self._answer_ourselves("keys_unavailable", now)
        elif self._phase == _SETTLING:
            self._go_on_after(now)
        else:
            super().expired(now)

    def client_gone(self, now: float) -> None:
        """Go on alone with what may have been carried out: the client will ask again."""
        lost = self.answering and self._copy is None
        if self._phase == _SETTLING or (self._phase == _RUNNING and self._exposed and not lost):
            self._gone(now)
            self._alone = True
            self._until = now + self.route.settings.call.request
            self.client.stalled = False
            self.resume()
            return
        if self._phase in (_ASKING, _RUNNING):
            self._let_go()
        super().client_gone(now)

    def forsake(self, now: float) -> None:
        """End: the worker ends."""
        if self._phase in (_ASKING, _RUNNING):
            self._let_go()
        if not self.done:
            self.withdraw(now)

    def _leave_all(self) -> None:
        self._lighten()
        super()._leave_all()

    def _end(self, now: float) -> None:
        if self._alone:
            self._leave_all()
        else:
            super()._end(now)
