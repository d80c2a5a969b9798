"""The admin listener: what a system tells machines about itself, over TCP, where the system file says.

============= ==================================================================================
GET /metrics   counts and states, for Prometheus; `?instances=off` leaves out what is by instance
GET /livez     200 while the supervisor's loop turns
GET /readyz    200 when the system runs, a gateway worker and of each service an instance is up; otherwise 503
============= ==================================================================================

It tells and changes nothing, for whoever can reach it may ask.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from mainstay.control import Control
from mainstay.web.metrics import MetricsOf
from mainstay.web.server import Line, serving

_GRACE = 2
"""Seconds that answers have when the system ends; a scraper that does not read must not hold it up."""


def application(control: Control) -> Starlette:
    """Build what the admin listener answers for a running system."""
    registries = {}
    for instances in (True, False):
        registry = registries[instances] = CollectorRegistry()
        registry.register(MetricsOf(control, instances=instances))
        ProcessCollector(registry=registry)

    async def metrics(request: Request) -> Response:
        encode, kind = choose_encoder(request.headers.get("accept", ""))
        registry = registries[request.query_params.get("instances") != "off"]
        return Response(encode(registry), headers={"Content-Type": kind})

    async def livez(request: Request) -> Response:
        del request
        return PlainTextResponse("ok\n")

    async def readyz(request: Request) -> Response:
        del request
        missing = control.missing()
        # One that has just been started is no help until it knows whom to ask.
        workers = sum(one["table"] > 0 for one in control.workers())
        served = workers > 0 or not any(service.listen for service in control.system.services.values())
        ready = control.phase == "running" and served and not missing
        said = {"version": 1, "ready": ready, "phase": control.phase, "workers": workers, "missing": missing}
        return Line(said, 200 if ready else 503)

    return Starlette(routes=[Route("/metrics", metrics), Route("/livez", livez), Route("/readyz", readyz)])


@asynccontextmanager
async def listening(control: Control) -> AsyncIterator[None]:
    """Serve the admin listener within the block, from when the system has opened it, if it has one."""
    task = asyncio.get_running_loop().create_task(_serve(control))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _serve(control: Control) -> None:
    sock = await asyncio.shield(control.admin)
    async with serving(application(control), sock, grace=_GRACE):
        await asyncio.Event().wait()
