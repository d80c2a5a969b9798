"""One life of one instance of a service, as its pool sees it."""

from typing import TYPE_CHECKING

from mainstay.redundancy.bound import above
from mainstay.redundancy.health import Health

if TYPE_CHECKING:
    from mainstay.redundancy.doubt import Doubt
    from mainstay.redundancy.outlier import Outlier


class Instance:
    """One life: restarted, it is another `Instance` with the next `generation` and no memory of this one."""

    __slots__ = (
        "credit",
        "doubt",
        "doubted_until",
        "ejected_until",
        "generation",
        "health",
        "held_by",
        "host",
        "in_flight",
        "key",
        "name",
        "on_trial",
        "order",
        "outlier",
        "place",
        "port",
        "rank",
        "service",
        "tried_by",
        "up_since",
        "weight",
        "zone",
    )

    def __init__(  # noqa: PLR0913 - what an instance is; all but the first five by name
        self,
        service: str,
        name: str,
        generation: int,
        host: str,
        port: int,
        *,
        health: Health,
        zone: str = "",
        weight: float = 1.0,
        up_since: float | None = None,
    ) -> None:
        above("weight", weight, 0)
        self.service = service
        self.name = name
        self.generation = generation
        self.host = host
        self.port = port
        self.health = health
        self.zone = zone
        self.weight = weight
        """Its share of the traffic, against the other members' weights."""
        self.key = (name, generation)
        """What tells this life from every other of the service."""
        self.in_flight = 0
        """Attempts begun and not settled; the one who begins and settles them counts."""
        self.up_since = up_since
        """When it last became up, for the slow start; None while it is not."""
        self.ejected_until: float | None = None
        """When its ejection ends; None while it is not ejected."""
        self.outlier: Outlier | None = None
        """What traffic knows of it; its pool gives it one when there is something to know."""
        self.doubt: Doubt | None = None
        """What its silences were; its pool gives it one when there is something to remember."""
        self.doubted_until: float | None = None
        """When the doubt about it ends; None while there is none."""
        self.on_trial = 0.0
        """When it was left out, or asked last, and has not given a good answer since: one request finds out, which is one
        that may be repeated, until this moment; 0 when it has."""
        self.tried_by: object = None
        """The call that finds out, until its answer begins or it has ended elsewhere; None: there is none."""
        self.credit = 0.0
        """What round robin owes it."""
        self.place = 0
        """Where its name falls among all numbers of 64 bits; 0 as long as nobody has asked."""
        self.held_by: object = None
        """The pool that it is a member of; None: none, or not any more."""
        self.order = 0
        """Its number among the members of its pool."""
        self.rank = 0
        """Among which of its pool's it is, a matter of the pool's own."""

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {self.service}/{self.name}#{self.generation} {self.health.state.value}>"
        )
