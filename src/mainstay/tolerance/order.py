"""How far a call has come, what its driver has to do next, and why it is not tried (again)."""

from enum import Enum, IntEnum


class State(Enum):
    """How far a call has come."""

    IDLE = "idle"
    TRYING = "trying"
    PAUSED = "paused"
    ENDED = "ended"


class Order(IntEnum):
    """What the driver has to do next."""

    TRY = 0
    """Make an attempt at `instance`, until `until`; tell its end by `settle`."""
    PAUSE = 1
    """Wait until `until`, then `resume`."""
    GIVE_UP = 2
    """Tell the client that it failed, `because` of what; no place is held any more."""
    DONE = 3
    """Give the client the instance's answer; no place is held any more."""
    WAIT = 4
    """There is nobody to ask: `resume` when that may have changed, and at `until` at the latest."""
    GO_ON = 5
    """The attempt has failed, and its rival is the attempt from now on: go on with that, until `until`."""


class Because(Enum):
    """Why a call is not tried (again)."""

    NO_INSTANCE = "no instance is usable"
    FULL = "every usable instance has as many requests as it may have"
    CIRCUIT_OPEN = "every usable instance's circuit breaker is open"
    DEADLINE = "the request's time is over"
    ATTEMPTS = "every attempt that was allowed failed"
    BUDGET = "the service's retry budget is spent"
    UNPROVED = "it may have been carried out, and repeating it may do harm"
    UNREPEATABLE = "its body can no longer be repeated"
    COMMITTED = "the client has a part of the answer"
    STATUS = "the instance's answer is passed on"
    CANCELLED = "the client went away"


IDLE, TRYING, PAUSED, ENDED = State
TRY, PAUSE, GIVE_UP, DONE, WAIT, GO_ON = Order

TRANSITIONS: dict[tuple[State, Order], State] = {
    (IDLE, TRY): TRYING,
    (IDLE, WAIT): PAUSED,
    (IDLE, GIVE_UP): ENDED,
    (TRYING, TRY): TRYING,
    (TRYING, GO_ON): TRYING,
    (TRYING, PAUSE): PAUSED,
    (TRYING, GIVE_UP): ENDED,
    (TRYING, DONE): ENDED,
    (PAUSED, TRY): TRYING,
    (PAUSED, WAIT): PAUSED,
    (PAUSED, GIVE_UP): ENDED,
}
