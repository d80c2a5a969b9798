"""Where the attempts of calls are made: an instance that is guarded, and a second one beside it."""

from typing import Generic, TypeVar

from mainstay.redundancy.health import Health
from mainstay.redundancy.instance import Instance
from mainstay.tolerance.breaker import Breaker


class Target(Instance):
    """An instance that calls are made to, and the breaker that guards it."""

    __slots__ = ("breaker",)

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
        breaker: Breaker | None = None,
    ) -> None:
        super().__init__(
            service, name, generation, host, port, health=health, zone=zone, weight=weight, up_since=up_since
        )
        self.breaker = breaker
        """What guards it; None when nothing does."""


T = TypeVar("T", bound=Target)


class Rival(Generic[T]):
    """A second attempt beside the first; its number is the call's last."""

    __slots__ = ("asked_at", "cut", "instance", "permit", "sent_at", "until")

    def __init__(self, now: float, instance: T, permit: int, until: float, *, cut: bool) -> None:
        self.asked_at = now
        """From when on its answer is waited for."""
        self.instance = instance
        self.permit = permit
        self.until = until
        """When it has to have ended."""
        self.cut = cut
        """It was not given its full time."""
        self.sent_at: float | None = None
        """When bytes of the request may have reached the instance."""
