"""What may be tried again: decided by what is proved, not by hope.

=========== ============================================================ ==============================
proof       what is known                                                what follows
=========== ============================================================ ==============================
UNSENT      not one byte of the request reached the instance             any request goes elsewhere
IDEMPOTENT  it may have; doing it twice is as doing it once              elsewhere, within the budget
KEYED       it may have; it carries a key that the service honours       elsewhere, within the budget
UNKNOWN     it may have, and doing it twice may do harm                  the truth, never a second time
=========== ============================================================ ==============================
"""

from dataclasses import dataclass, field
from enum import Enum

from mainstay.base.outcome import FAILED, REFUSED, Outcome
from mainstay.redundancy.bound import above, between
from mainstay.tolerance.backoff import BackoffSpec
from mainstay.tolerance.budget import BudgetSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrySpec:
    """How often a request is tried, and when it is tried again."""

    attempts: int = 3
    """Attempts at most, the first one included: two more find a healthy instance unless nearly all are
    gone. One that reached nobody may go on to every instance that has not been asked."""
    budget: BudgetSpec = field(default_factory=BudgetSpec)
    """What all retries of the service together may cost."""
    backoff: BackoffSpec = field(default_factory=BackoffSpec)
    """How long to wait once every instance was tried; another instance is tried at once."""
    statuses: frozenset[int] = frozenset({502, 503, 504})
    """Answers that another instance might not give (RFC 9110 §15.6.3 to §15.6.5)."""
    second: frozenset[int] = frozenset({500})
    """Answers of which one other instance is asked for its opinion. A 500 may be the application's own word, the same from
    all of them; or one instance's trouble, that no user need see."""

    def __post_init__(self) -> None:
        above("attempts", self.attempts, 0)
        for status in sorted(self.statuses):
            between("statuses", status, 500, 599)
        for status in sorted(self.second):
            between("second", status, 500, 599)


class Proof(Enum):
    """What is known of an attempt that failed."""

    UNSENT = "unsent"
    IDEMPOTENT = "idempotent"
    KEYED = "keyed"
    UNKNOWN = "unknown"


UNSENT, IDEMPOTENT, KEYED, UNKNOWN = Proof

IDEMPOTENT_METHODS = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"})
"""The methods that may be repeated (RFC 9110 §9.2.2); names of methods are case-sensitive (§9.1)."""


def is_idempotent(method: bytes) -> bool:
    """Say whether a request by this method may be done twice as well as once (RFC 9110 §9.2.2)."""
    return method in IDEMPOTENT_METHODS


def proof(outcome: Outcome, *, sent: bool, idempotent: bool, keyed: bool) -> Proof:
    """Give what is known of an attempt that did not end well.

    Args:
        outcome: How it ended; `REFUSED` is itself the proof that nothing was sent, and `FAILED` (an answer)
            that something was.
        sent: Whether bytes of the request may have reached the instance.
        idempotent: Whether the request may be done twice as well as once.
        keyed: Whether it carries an idempotency key that the service is declared to honour.
    """
    if outcome is REFUSED or (not sent and outcome is not FAILED):
        return UNSENT
    if idempotent:
        return IDEMPOTENT
    return KEYED if keyed else UNKNOWN
