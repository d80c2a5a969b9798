"""All that goes wrong on purpose on the way to one instance: its faults, and the connections that they are on."""

import asyncio
from contextlib import suppress
from math import inf
from time import monotonic
from typing import TYPE_CHECKING

from mainstay.gateway.fault.effect import Effect, Lot, drawn
from mainstay.gateway.fault.leg import Leg
from mainstay.gateway.fault.spec import is_address
from mainstay.gateway.http.connection import UpstreamConnection
from mainstay.gateway.tcp.passage import Passage
from mainstay.gateway.tcp.relay import End
from mainstay.gateway.tcp.waiting import Waiting

if TYPE_CHECKING:
    from mainstay.gateway.upstream import Upstream


class Legs:
    """The faults of one life of an instance, in the order in which they began."""

    def __init__(self, instance: "Upstream", loop: asyncio.AbstractEventLoop) -> None:
        self.instance = instance
        self.loop = loop
        self.effects: list[Effect] = []
        self.legs: set[Leg] = set()
        # A name that has to be looked up; empty: there is none.
        self._name = "" if is_address(instance.host) else instance.host

    def begin(self, effect: Effect) -> None:
        """Have a fault act on all connections that there are, and on those that will be made."""
        self.effects.append(effect)
        for connection in list(self.instance.connections):
            self.take(connection)
        for guest in list(self.instance.busy):
            far = guest.far if isinstance(guest, Passage) else None
            if far is not None:
                self.take(far)
        for leg in list(self.legs):
            leg.began(effect)

    def end(self, effect: Effect) -> None:
        """Have it act no more, after `effect.over` was set."""
        self.effects.remove(effect)
        for leg in list(self.legs):
            leg.ended()
        self._rest()

    def part(self, leg: Leg) -> None:
        """Let go of a leg that is no more."""
        self.legs.discard(leg)
        self._rest()

    def _rest(self) -> None:
        # Whoever makes connections finds nothing to do here as soon as there is nothing.
        if not self.effects and not self.legs and self.instance.legs is self:
            self.instance.legs = None

    def take(self, inner: UpstreamConnection | End | Waiting, lot: Lot | None = None) -> None:
        """Put a leg under a connection that has none, with the lot that `approach` gave."""
        if self.effects and not isinstance(inner.transport, Leg) and not inner.transport.is_closing():
            Leg(self, inner, lot).seat()

    async def approach(self, *, check: bool = False) -> Lot:
        """Wait for as long as making a connection takes longer, and give which faults act on it.

        Raises:
            OSError: none can be made.
        """
        lot: Lot = {}
        for effect in list(self.effects):
            if effect.over.is_set() or not drawn(lot, effect):
                continue
            refusal = effect.refusal(self._name)
            wait = effect.approach(monotonic())
            if refusal is not None or wait > 0.0:
                if check:
                    effect.count.checks += 1
                else:
                    effect.count.acted += 1
            if refusal is not None:
                raise refusal
            if wait > 0.0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(None if wait == inf else wait):
                        await effect.over.wait()
        return lot

    async def lead(self, inner: asyncio.Protocol) -> asyncio.Protocol:
        """Let a health check have the faults that traffic has; give what its connection is to be made for.

        Raises:
            OSError: none can be made.
        """
        lot = await self.approach(check=True)
        return Leg(self, inner, lot, check=True)
