"""The faults that clients of Toxiproxy's API have asked for, and their leases, which are renewed for as long as we run."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from mainstay.base.errors import MainstayError, NotRunning
from mainstay.drill.toxiproxy.proxy import Proxy
from mainstay.drill.toxiproxy.toxic import Fault, Toxic, Wrong

Ask = Callable[[str, dict[str, Any] | None], Awaitable[dict[str, Any]]]
"""Asks the running system: a path, and what to post, if anything."""
LEASE = 10.0
"""Seconds that a fault outlives us by at most."""
_EVERY = 3.0
_LEASE_OVER = "lease over"


class _Kept:
    """A fault that is renewed."""

    def __init__(self, id_: str, order: Fault) -> None:
        self.id = id_
        self.order = order


class Held:
    """All toxics, and the proxies that are switched off."""

    def __init__(self, ask: Ask) -> None:
        """Hold nothing.

        Args:
            ask: Asks the running system.
        """
        self._ask = ask
        self._toxics: dict[str, dict[str, Toxic]] = {}
        # By proxy and toxic; of a proxy that is switched off, the name is None.
        self._faults: dict[tuple[str, str | None], _Kept] = {}
        # One change at a time, and none in the middle of another.
        self._changing = asyncio.Lock()

    # --- what there is ---

    def toxics(self, proxy: str) -> list[Toxic]:
        """Give those of a proxy: as Toxiproxy does, first all that are upstream, in the order in which they came."""
        return sorted(self._toxics.get(proxy, {}).values(), key=lambda one: one.stream, reverse=True)

    def toxic(self, proxy: str, name: str) -> Toxic:
        """Give one.

        Raises:
            Wrong: there is none.
        """
        there = self._toxics.get(proxy, {})
        if name not in there:
            raise Wrong(
                f"toxic not found: {name[:100]!r}; there are: {', '.join(there) or 'none'}", status=404
            )
        return there[name]

    def enabled(self, proxy: str) -> bool:
        """Tell whether it is switched on."""
        return (proxy, None) not in self._faults

    # --- changes ---

    async def add(self, proxy: Proxy, toxic: Toxic) -> None:
        """Begin a toxic.

        Raises:
            Wrong: it cannot be, or there is one of that name.
            MainstayError: the system does not answer.
        """
        async with self._changing:
            if toxic.name in self._toxics.get(proxy.name, {}):
                raise Wrong(f"toxic already exists: {toxic.name[:100]!r}", status=409)
            await self._set(proxy, toxic.name, toxic.fault())
            self._toxics.setdefault(proxy.name, {})[toxic.name] = toxic

    async def change(self, proxy: Proxy, name: str, change: Callable[[Toxic], Toxic]) -> Toxic:
        """Put a toxic in the place of another one, and give it; if it cannot be, the former stays.

        Raises:
            Wrong: it cannot be, or there is none.
            MainstayError: the system does not answer.
        """
        async with self._changing:
            toxic = change(self.toxic(proxy.name, name))
            await self._set(proxy, name, toxic.fault())
            self._toxics[proxy.name][name] = toxic
            return toxic

    async def remove(self, proxy: str, name: str) -> None:
        """End a toxic.

        Raises:
            Wrong: there is none.
            MainstayError: the system does not answer.
        """
        async with self._changing:
            self.toxic(proxy, name)
            await self._end((proxy, name))
            del self._toxics[proxy][name]

    async def switch(self, proxy: Proxy, *, on: bool) -> None:
        """Let a proxy refuse all connections, or let them through again.

        Raises:
            Wrong: it cannot be.
            MainstayError: the system does not answer.
        """
        async with self._changing:
            if on:
                await self._end((proxy.name, None))
            elif self.enabled(proxy.name):
                await self._set(proxy, None, {"fault": "refuse"})

    async def clear(self, proxy: str | None = None) -> None:
        """End all that is at a proxy, or at all of them.

        Raises:
            MainstayError: the system does not answer.
        """
        async with self._changing:
            for key in list(self._faults):
                if proxy in (None, key[0]):
                    await self._end(key)
            for name in list(self._toxics):
                if proxy in (None, name):
                    del self._toxics[name]

    # --- leases ---

    async def renew(self) -> None:
        """Renew all leases, for ever."""
        while True:
            await asyncio.sleep(_EVERY)
            await asyncio.gather(*(self._renew(key, kept) for key, kept in list(self._faults.items())))

    async def _renew(self, key: tuple[str, str | None], kept: _Kept) -> None:
        try:
            await self._ask(f"/v1/faults/{quote(kept.id)}/renew", {})
        except NotRunning:
            pass  # whoever asks us for anything is told so; a supervisor may come back
        except MainstayError:
            async with self._changing:
                if self._faults.get(key) is kept:
                    await self._lost(key, kept)

    async def _lost(self, key: tuple[str, str | None], kept: _Kept) -> None:
        """Begin a fault again that nobody wanted to end; let go of one that somebody did."""
        try:
            if await self._why(kept) in (None, _LEASE_OVER):
                kept.id = await self._begin(kept.order)
                return
        except NotRunning:
            return  # later
        except MainstayError:
            pass  # what it was aimed at is gone
        del self._faults[key]
        if key[1] is not None:
            self._toxics[key[0]].pop(key[1], None)

    async def _why(self, kept: _Kept) -> str | None:
        """Tell why a fault is over; None: a new supervisor, which knows of none of its predecessor's."""
        try:
            ended: str = (await self._ask(f"/v1/faults/{quote(kept.id)}/end", {}))["ended"]
        except NotRunning:
            raise
        except MainstayError:
            return None
        return ended

    # --- faults ---

    async def _set(self, proxy: Proxy, name: str | None, fault: Fault | None) -> None:
        key = (proxy.name, name)
        former = self._faults.get(key)
        if fault is not None:
            order = {**fault, **proxy.aim, "lease": LEASE}
            self._faults[key] = _Kept(await self._begin(order), order)
        elif former is not None:
            del self._faults[key]
        # Only now: it is never without.
        if former is not None:
            with suppress(NotRunning):  # its lease ends it
                await self._stop(former)

    async def _end(self, key: tuple[str, str | None]) -> None:
        if key in self._faults:
            await self._stop(self._faults[key])
            del self._faults[key]

    async def _begin(self, order: Fault) -> str:
        begun = await self._ask("/v1/faults", order)
        id_: str = begun["id"]
        return id_

    async def _stop(self, kept: _Kept) -> None:
        try:
            await self._ask(f"/v1/faults/{quote(kept.id)}/end", {})
        except NotRunning:
            raise
        except MainstayError:
            pass  # there is no such fault any more
