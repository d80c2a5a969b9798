"""What becomes of a write that may come more than once: of all requests with one key, one is carried out.

::

    FREE ──TAKE──▶ RUNNING ──ANSWER───▶ ANSWERED ──EXPIRE──▶ FREE
                     │ │ └───OUTGROW──▶ OUTGROWN ──EXPIRE──▶ FREE
                     │ └─────DOUBT────▶ DOUBTFUL ──EXPIRE──▶ FREE
                     └───────RELEASE──▶ FREE

The first request takes the key and holds it until it is known what came of it. It is given back only if it is proved that
nothing was carried out. If nobody knows, the key stays in doubt: a repetition is told so, and is not carried out.

The key (draft-ietf-httpapi-idempotency-key-header) is the client's word; the *fingerprint* is what tells one request from another.
"""

from dataclasses import dataclass
from enum import Enum
from math import inf

from mainstay.redundancy.bound import above, at_least


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySpec:
    """How long answers are kept, and how large they may be."""

    keep: float = 86400.0
    """Seconds that an answer is kept: a day, as clients that repeat writes are used to from large payment services."""
    answer: int = 2**18
    """Bytes of an answer's body that is kept; of a longer one is only known that it was given."""
    body: int = 2**20
    """Bytes of a request's body: all of it must be there before it is known whether it is the same."""
    size: int = 2**30
    """Bytes of all that is kept."""

    def __post_init__(self) -> None:
        above("keep", self.keep, 0)
        at_least("answer", self.answer, 0)
        at_least("body", self.body, 0)
        above("size", self.size, 0)


class State(Enum):
    """How far a key has come."""

    FREE = "free"
    RUNNING = "running"
    ANSWERED = "answered"
    OUTGROWN = "outgrown"
    DOUBTFUL = "doubtful"


class Event(Enum):
    """What happens to a key."""

    TAKE = "take"
    """A request is to be carried out."""
    ANSWER = "answer"
    """It was answered, and the answer is kept."""
    OUTGROW = "outgrow"
    """It was answered, and the answer is not kept."""
    DOUBT = "doubt"
    """It may have been carried out, or not."""
    RELEASE = "release"
    """It was not carried out."""
    EXPIRE = "expire"
    """What was known is forgotten."""


class Verdict(Enum):
    """What becomes of a request."""

    RUN = "it is the first: carry it out, and settle"
    REPLAY = "give it the answer that the first one got"
    WAIT = "the first one is still being worked on"
    OTHER = "the first one was another request"
    LOST = "the first one was answered, and the answer is not known any more"
    DOUBT = "the first one may have been carried out, or not"


FREE, RUNNING, ANSWERED, OUTGROWN, DOUBTFUL = State
TAKE, ANSWER, OUTGROW, DOUBT, RELEASE, EXPIRE = Event

TRANSITIONS: dict[tuple[State, Event], State] = {
    (FREE, TAKE): RUNNING,
    (RUNNING, ANSWER): ANSWERED,
    (RUNNING, OUTGROW): OUTGROWN,
    (RUNNING, DOUBT): DOUBTFUL,
    (RUNNING, RELEASE): FREE,
    (ANSWERED, EXPIRE): FREE,
    (OUTGROWN, EXPIRE): FREE,
    (DOUBTFUL, EXPIRE): FREE,
}

_VERDICTS = {
    FREE: Verdict.RUN,
    RUNNING: Verdict.WAIT,
    ANSWERED: Verdict.REPLAY,
    OUTGROWN: Verdict.LOST,
    DOUBTFUL: Verdict.DOUBT,
}


class Key:
    """One key, as it is known now; where it is kept is for others to say."""

    __slots__ = ("fingerprint", "holder", "state", "until")

    def __init__(
        self, state: State = FREE, fingerprint: bytes = b"", holder: str = "", until: float = inf
    ) -> None:
        self.state = state
        self.fingerprint = fingerprint
        """What tells the first request from others."""
        self.holder = holder
        """Who carries out the first request; news of anybody else are ignored."""
        self.until = until
        """When it is forgotten; never while it is held."""

    def ask(self, now: float, fingerprint: bytes, holder: str) -> Verdict:
        """Hear of a request with this key; of one that is to RUN, `holder` tells what came of it.

        Args:
            now: The time.
            fingerprint: What tells the request from others.
            holder: A name that nobody else has or had.
        """
        if now >= self.until:
            self._move(EXPIRE)
        if self.state is not FREE and self.fingerprint != fingerprint:
            return Verdict.OTHER
        verdict = _VERDICTS[self.state]
        if verdict is Verdict.RUN:
            self._move(TAKE)
            self.fingerprint, self.holder, self.until = fingerprint, holder, inf
        return verdict

    def settle(self, now: float, holder: str, event: Event, keep: float) -> bool:
        """Hear what came of the first request; False: it is none of the one who says so, and nothing changes.

        Args:
            now: The time.
            holder: Who says so.
            event: ANSWER, OUTGROW, DOUBT or RELEASE.
            keep: Seconds for which it is known.
        """
        if self.state is not RUNNING or holder != self.holder or event in (TAKE, EXPIRE):
            return False
        self._move(event)
        self.until = inf if self.state is FREE else now + keep
        return True

    def _move(self, event: Event) -> None:
        self.state = TRANSITIONS[self.state, event]
        if self.state is FREE:
            self.fingerprint, self.holder, self.until = b"", "", inf
