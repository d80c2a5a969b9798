"""The HTTP API of Toxiproxy, as its client libraries speak it.

================================================ =======================================
GET    /proxies                                   all proxies, by name
POST   /proxies {"name", "enabled"}               one that is there already
POST   /populate [{"name", "enabled"}, ...]       likewise, several
GET    /proxies/{proxy}                           one, with its toxics
POST   /proxies/{proxy} {"enabled"}               switch it off, or on (PATCH too)
DELETE /proxies/{proxy}                           end all that is wrong with it
GET    /proxies/{proxy}/toxics                    its toxics
POST   /proxies/{proxy}/toxics {"type", ...}      begin one
GET    /proxies/{proxy}/toxics/{toxic}            one
POST   /proxies/{proxy}/toxics/{toxic} {...}      change it (PATCH too)
DELETE /proxies/{proxy}/toxics/{toxic}            end it
POST   /reset                                     end all toxics, and switch all proxies on
GET    /version                                   whose API it is, and who we are
================================================ =======================================

Errors are `{"error": message, "status": n}`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mainstay import __version__
from mainstay.base.errors import MainstayError, NotRunning
from mainstay.drill.toxiproxy.held import Ask, Held
from mainstay.drill.toxiproxy.proxy import Proxy, named, proxies
from mainstay.drill.toxiproxy.toxic import Wrong, changed, json_object, json_value, read

SPOKEN = "2.12.0"
"""The version of Toxiproxy whose API this is."""
VERSION = f"{SPOKEN}+mainstay.{__version__}"
"""Build metadata of semantic versioning: who parses it goes on, and who reads it knows."""
_UNAVAILABLE = 503
Endpoint = Callable[[Request], Awaitable[Response]]


def application(ask: Ask) -> Starlette:
    """Build the API over a running system.

    Args:
        ask: Asks it.

    What clients have asked for ends with the application's lifespan, or within `held.LEASE` seconds of its death.
    """
    held = Held(ask)
    api = _Api(held, ask)
    return Starlette(
        routes=[
            Route("/proxies", _told(api.proxies), methods=["GET"]),
            Route("/proxies", _told(api.create), methods=["POST"]),
            Route("/populate", _told(api.populate), methods=["POST"]),
            Route("/proxies/{proxy}", _told(api.proxy), methods=["GET"]),
            Route("/proxies/{proxy}", _told(api.update), methods=["POST", "PATCH"]),
            Route("/proxies/{proxy}", _told(api.delete), methods=["DELETE"]),
            Route("/proxies/{proxy}/toxics", _told(api.toxics), methods=["GET"]),
            Route("/proxies/{proxy}/toxics", _told(api.add), methods=["POST"]),
            Route("/proxies/{proxy}/toxics/{toxic}", _told(api.toxic), methods=["GET"]),
            Route("/proxies/{proxy}/toxics/{toxic}", _told(api.change), methods=["POST", "PATCH"]),
            Route("/proxies/{proxy}/toxics/{toxic}", _told(api.remove), methods=["DELETE"]),
            Route("/reset", _told(api.reset), methods=["POST"]),
            Route("/version", _told(api.version), methods=["GET"]),
        ],
        exception_handlers={HTTPException: _astray},
        lifespan=_holding(held),
    )


def _holding(held: Held) -> Callable[[Starlette], Any]:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        del app
        renewing = asyncio.ensure_future(held.renew())
        try:
            yield
        finally:
            renewing.cancel()
            with suppress(asyncio.CancelledError):
                await renewing
            with suppress(MainstayError):  # leases end what is left
                await held.clear()

    return lifespan


class _Api:
    """What is answered."""

    def __init__(self, held: Held, ask: Ask) -> None:
        self._held = held
        self._ask = ask

    async def proxies(self, request: Request) -> Response:
        del request
        return JSONResponse({name: self._shown(one) for name, one in (await self._known()).items()})

    async def create(self, request: Request) -> Response:
        told = json_object(await request.body())
        proxy = _meant(told, await self._known())
        await self._held.switch(proxy, on=_on(told, before=True))
        return JSONResponse(self._shown(proxy), 201)

    async def populate(self, request: Request) -> Response:
        told = json_value(await request.body())
        if not isinstance(told, list) or not all(isinstance(one, dict) for one in told):
            raise Wrong("bad request body: it must be a list of proxies")
        known = await self._known()
        wanted = [(_meant(one, known), _on(one, before=True)) for one in told]
        for proxy, on in wanted:
            await self._held.switch(proxy, on=on)
        return JSONResponse({"proxies": [self._shown(proxy) for proxy, _ in wanted]}, 201)

    async def proxy(self, request: Request) -> Response:
        return JSONResponse(self._shown(await self._one(request)))

    async def update(self, request: Request) -> Response:
        proxy = await self._one(request)
        told = json_object(await request.body())
        before = self._held.enabled(proxy.name)
        on = _on(told, before=before)
        for key in ("listen", "upstream"):
            # Whoever switches it may tell what they were when it was last seen: an instance may have moved since.
            if on is before and told.get(key) not in (None, "", getattr(proxy, key)):
                raise Wrong(f"bad request body: {key} is {getattr(proxy, key)!r}, and cannot be changed here")
        await self._held.switch(proxy, on=on)
        return JSONResponse(self._shown(proxy))

    async def delete(self, request: Request) -> Response:
        await self._held.clear((await self._one(request)).name)
        return Response(status_code=204)

    async def toxics(self, request: Request) -> Response:
        return JSONResponse(self._shown(await self._one(request))["toxics"])

    async def add(self, request: Request) -> Response:
        proxy = await self._one(request)
        toxic = read(await request.body())
        await self._held.add(proxy, toxic)
        return JSONResponse(toxic.told())

    async def toxic(self, request: Request) -> Response:
        proxy = await self._one(request)
        return JSONResponse(self._held.toxic(proxy.name, request.path_params["toxic"]).told())

    async def change(self, request: Request) -> Response:
        proxy = await self._one(request)
        body = await request.body()
        toxic = await self._held.change(
            proxy, request.path_params["toxic"], lambda former: changed(former, body)
        )
        return JSONResponse(toxic.told())

    async def remove(self, request: Request) -> Response:
        proxy = await self._one(request)
        await self._held.remove(proxy.name, request.path_params["toxic"])
        return Response(status_code=204)

    async def reset(self, request: Request) -> Response:
        del request
        await self._held.clear()
        return Response(status_code=204)

    async def version(self, request: Request) -> Response:
        del request
        return JSONResponse({"version": VERSION})

    async def _known(self) -> dict[str, Proxy]:
        return proxies(await self._ask("/v1/status", None))

    async def _one(self, request: Request) -> Proxy:
        return named(await self._known(), request.path_params["proxy"])

    def _shown(self, proxy: Proxy) -> dict[str, Any]:
        return {
            "name": proxy.name,
            "listen": proxy.listen,
            "upstream": proxy.upstream,
            "enabled": self._held.enabled(proxy.name),
            "toxics": [toxic.told() for toxic in self._held.toxics(proxy.name)],
        }


def _meant(told: dict[str, Any], known: dict[str, Proxy]) -> Proxy:
    name = told.get("name")
    if not isinstance(name, str) or not name:
        raise Wrong("missing required field: name")
    return named(known, name, status=400)


def _on(told: dict[str, Any], *, before: bool) -> bool:
    enabled = told.get("enabled")
    if enabled is None:
        return before
    if not isinstance(enabled, bool):
        raise Wrong(f"bad request body: enabled must be true or false, not {enabled!r}")
    return enabled


def _told(endpoint: Endpoint) -> Endpoint:
    """Answer with what went wrong, where that is known."""

    async def telling(request: Request) -> Response:
        # As Toxiproxy: a page in somebody's browser has no business here.
        if "origin" in request.headers or request.headers.get("user-agent", "").startswith("Mozilla/"):
            return _error("user agent not allowed", 403)
        try:
            return await endpoint(request)
        except Wrong as problem:
            return _error(str(problem), problem.status)
        except NotRunning as problem:
            return _error(str(problem), _UNAVAILABLE)
        except MainstayError as problem:
            return _error(f"bad request body: {problem}", 400)

    return telling


async def _astray(request: Request, problem: Exception) -> Response:
    del request
    assert isinstance(problem, HTTPException)
    return _error(problem.detail, problem.status_code)


def _error(message: str, status: int) -> Response:
    return JSONResponse({"error": message, "status": status}, status)
