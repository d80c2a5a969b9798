"""The part of the control API that is about faults on the gateway's connections to instances."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from mainstay.control import Control
from mainstay.gateway.fault.spec import FaultProblem
from mainstay.web.server import Line

Path = tuple[str, Callable[[Request], Awaitable[Response]], list[str]]
"""A path, what answers there, and to which methods."""


def paths(control: Control) -> list[Path]:
    """Give what is answered where."""

    async def faults(request: Request) -> Response:
        if request.method == "POST":
            return Line({"version": 1, **await control.faults.begin(_read(await request.body()))})
        return Line({"version": 1, "faults": control.faults.active()})

    async def renew(request: Request) -> Response:
        lease = _lease(await request.body())
        return Line({"version": 1, **await control.faults.renew(request.path_params["fault"], lease)})

    async def end(request: Request) -> Response:
        return Line({"version": 1, **await control.faults.end(request.path_params["fault"])})

    async def end_all(request: Request) -> Response:
        del request
        return Line({"version": 1, "faults": await control.faults.end_all()})

    return [
        ("/v1/faults", faults, ["GET", "POST"]),
        ("/v1/faults/end", end_all, ["POST"]),
        ("/v1/faults/{fault}/renew", renew, ["POST"]),
        ("/v1/faults/{fault}/end", end, ["POST"]),
    ]


def _read(body: bytes) -> Any:  # noqa: ANN401 - whatever it is
    try:
        return json.loads(body)
    except ValueError:
        raise FaultProblem("the body must be JSON") from None


def _lease(body: bytes) -> Any:  # noqa: ANN401 - read by whoever knows what a lease may be
    asked = _read(body or b"{}")
    if not isinstance(asked, dict) or asked.keys() - {"lease"}:
        raise FaultProblem('the body must be empty or {"lease": SECONDS}')
    return asked.get("lease")
