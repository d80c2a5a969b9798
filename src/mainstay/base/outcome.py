"""How one attempt ended, in the words every policy counts with.

An outcome says what is *proved*, because what may be tried again depends on proof, not on hope:

========== ============================================================== ======== =========
outcome    what happened                                                  charged  sent
========== ============================================================== ======== =========
OK         a complete answer, or one that is the client's own doing (4xx)  no       yes
REFUSED    no connection: refused, unreachable or not made in time         yes      no
STALE      a pooled connection was already closed when it was reused       no       perhaps
RESET      the connection ended before the answer was complete             yes      yes
TIMEOUT    no answer within the attempt's time                             yes      yes
FAILED     an answer that says the instance cannot (5xx)                   yes      yes
CANCELLED  the client went away, or we did: proves nothing                 no       perhaps
========== ============================================================== ======== =========

*charged*: it counts against the instance. *sent*: bytes of the request may have reached it.
"""

from enum import IntEnum


class Outcome(IntEnum):
    """How one attempt at an instance ended."""

    OK = 0
    REFUSED = 1
    STALE = 2
    RESET = 3
    TIMEOUT = 4
    FAILED = 5
    CANCELLED = 6


# Module names are two to seven times faster to read than enum members on CPython 3.11.
OK = Outcome.OK
REFUSED = Outcome.REFUSED
STALE = Outcome.STALE
RESET = Outcome.RESET
TIMEOUT = Outcome.TIMEOUT
FAILED = Outcome.FAILED
CANCELLED = Outcome.CANCELLED

CHARGED = frozenset({REFUSED, RESET, TIMEOUT, FAILED})
"""The outcomes that are the instance's own fault; all others prove nothing against it."""
