"""HOT. What stands at an instance for as long as two parties like: the tunnel of one client, and its place there.

A request comes and goes; a passage stays until one of the two has had enough, its instance is gone, or we stop.
"""

from typing import TYPE_CHECKING

from mainstay.gateway.tcp.relay import End, Tunnel

if TYPE_CHECKING:
    import asyncio

    from mainstay.gateway.entrance import Entrance
    from mainstay.gateway.route import Route
    from mainstay.gateway.upstream import Upstream
    from mainstay.gateway.worker import Worker

LAST_WORDS = 1.0
"""Seconds in which what an instance said before its end is still passed on."""


class Passage:
    """One client's tunnel to an instance, and what it counts for."""

    __slots__ = (
        "_held",
        "_instance",
        "_last_words",
        "_tunnel",
        "_worker",
        "entrance",
        "peer",
        "route",
        "traffic",
    )

    def __init__(self, worker: "Worker", entrance: "Entrance", route: "Route") -> None:
        self.entrance = entrance
        self.traffic = entrance.traffic
        self.peer = ""
        """The client's address."""
        self.route = route
        self._worker = worker
        self._instance: Upstream | None = None
        self._tunnel: Tunnel | None = None
        self._last_words: asyncio.TimerHandle | None = None
        # It counts as in flight at the instance, as an attempt that is settled does not.
        self._held = False

    def _join(self, near: "asyncio.Transport", far: "asyncio.Transport") -> Tunnel:
        """Make a tunnel of two connections."""
        worker, route = self._worker, self.route
        tunnel = self._tunnel = Tunnel(
            self,
            wheel=worker.wheel,
            loop=worker.loop,
            idle=route.settings.tunnel,
            upward=route.received,
            downward=route.sent,
        )
        tunnel.join(near, far)
        route.tunnels += 1
        return tunnel

    def _hold(self) -> None:
        """Count as in flight at the instance from here on."""
        if self._instance is not None:
            self._held = True
            self._instance.in_flight += 1

    @property
    def far(self) -> End | None:
        """The instance's end of its tunnel, while there is one."""
        return self._tunnel.far if self._tunnel is not None and not self._tunnel.far.lost else None

    # --- the tunnel tells us ---

    def answered(self) -> None:
        """Take it that the first byte has come from the instance."""

    def parted(self) -> bool:
        """Take it that the instance is the first to end; there is nowhere else to go."""
        return False

    def over(self, *, broken: bool) -> None:
        """Let go of both connections, which are closed."""
        raise NotImplementedError

    # --- the worker tells us ---

    def drain(self) -> None:
        """Go on: only the two parties know when they have done."""

    def retire(self) -> None:
        """Go on, likewise."""

    def abort(self) -> None:
        """Cut both connections."""
        if self._tunnel is not None:
            self._tunnel.cut()

    # --- the instance's news ---

    def leave(self) -> None:
        """Stay: a connection that stands is worth more than what a health check says."""

    def bereft(self) -> None:
        """Take it that the instance is gone; what it said last may still be on its way."""
        if self._last_words is None:
            self._last_words = self._worker.loop.call_later(LAST_WORDS, self._bereaved)

    def _bereaved(self) -> None:
        self._last_words = None
        gone, tunnel = self._instance, self._tunnel
        if gone is None or tunnel is None:
            return
        back = next((one for one in self.route.pool.members if one.key == gone.key), None)
        if back is None:
            tunnel.forsake()
            return
        # It was only out of sight, as one is that was stopped by a signal for a moment.
        gone.busy.discard(self)
        back.busy.add(self)
        self._instance = back
        if self._held:
            gone.in_flight -= 1
            back.in_flight += 1

    # --- ends ---

    def _detach(self) -> None:
        """Leave the instance."""
        instance, self._instance = self._instance, None
        tunnel, self._tunnel = self._tunnel, None
        if tunnel is not None:
            self.route.tunnels -= 1
        if self._last_words is not None:
            self._last_words.cancel()
            self._last_words = None
        if instance is None:
            return
        if self._held:
            self._held = False
            instance.in_flight -= 1
        if tunnel is not None:
            instance.received += tunnel.far.got
            instance.sent += tunnel.near.got
        instance.forget(self)

    def _break(self) -> None:
        """Count a tunnel that its instance broke."""
        self.route.broken += 1
        self.route.failures += 1
