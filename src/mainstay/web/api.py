"""The control API: a small HTTP API on a Unix socket that only its owner can open.

=============================================== ============================================
GET  /v1/status                                  the whole state
GET  /v1/facts?since={cursor}                    the last facts, or those that are new, oldest first
POST /v1/reload {"dry_run"}                      the system file, read again; answers when it is so
POST /v1/upgrade                                 become what is installed; answers before it begins
POST /v1/services/{service}/restart {"canary"}   a rolling restart; answers when it is done
POST /v1/services/{service}/scale {"instances"}  so many instances; answers when they are there
GET  /v1/faults                                  the faults on connections to instances
POST /v1/faults {"fault", "service", ...}        begin one; answers when the workers have it
POST /v1/faults/{fault}/renew {"lease"}          let it last for a lease from now on
POST /v1/faults/{fault}/end                      end it; answers when it is over
POST /v1/faults/end                              end all of them
GET  /v1/marks                                   times that are not charged, and last
POST /v1/marks {"state", "reason", ...}          begin one
POST /v1/marks/{mark}/end                        end it
POST /v1/stop                                    end everything; answers at once
=============================================== ============================================

Errors are `{"version": 1, "error": message, "exit_code": n}`, with the exit code that the command ends with.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from difflib import get_close_matches
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mainstay.base.errors import CanaryRejected, MainstayError, SystemFileError
from mainstay.control import Control
from mainstay.control.marks import MarkProblem
from mainstay.gateway.fault.spec import FaultProblem
from mainstay.redundancy.canary import LONGEST, MOST_REQUESTS, CanarySpec
from mainstay.web import admin, faults, marks
from mainstay.web.server import Line

_MOST = 1000


class _Wrong(MainstayError):
    """The caller asked for something that is not there or cannot be."""

    exit_code = 2


def application(
    control: Control, stop: Callable[[], None], upgrade: Callable[[], Awaitable[dict[str, object]]]
) -> Starlette:
    """Build the API of a running system.

    Args:
        control: What to ask.
        stop: Called when a caller wants all of it to end.
        upgrade: Awaited when a caller wants it to become the program that is installed; gives the answer.

    While it is served, so is the admin listener, if the system has one.
    """

    @asynccontextmanager
    async def beside(app: Starlette) -> AsyncIterator[None]:
        del app
        async with admin.listening(control):
            yield

    async def status(request: Request) -> Response:
        del request
        return Line(control.status())

    async def facts(request: Request) -> Response:
        return Line({"version": 1, **control.facts.since(request.query_params.get("since"))._asdict()})

    async def reload(request: Request) -> Response:
        rehearse = _rehearse(await request.body())
        changes = await control.reload(rehearse=rehearse)
        return Line({"version": 1, "reloaded": not rehearse, "changes": changes})

    async def restart(request: Request) -> Response:
        service = _service(control, request)
        spec = _canary(await request.body())
        report = await control.restart(service, spec)
        answer = {"version": 1, "service": service, "restarted": True}
        return Line(answer if report is None else answer | {"canary": report})

    async def scale(request: Request) -> Response:
        service = _service(control, request)
        count = _count(await request.body())
        await control.scale(service, count)
        return Line({"version": 1, "service": service, "instances": count})

    async def become(request: Request) -> Response:
        del request
        return Line(await upgrade())

    async def end(request: Request) -> Response:
        del request
        stop()
        return Line({"version": 1, "stopping": True})

    return Starlette(
        routes=[
            Route("/v1/status", status),
            Route("/v1/facts", facts),
            Route("/v1/reload", _told(reload), methods=["POST"]),
            Route("/v1/upgrade", _told(become), methods=["POST"]),
            Route("/v1/services/{service}/restart", _told(restart), methods=["POST"]),
            Route("/v1/services/{service}/scale", _told(scale), methods=["POST"]),
            Route("/v1/stop", end, methods=["POST"]),
            *(
                Route(path, _told(answer), methods=methods)
                for path, answer, methods in [*faults.paths(control), *marks.paths(control)]
            ),
        ],
        lifespan=beside,
    )


Endpoint = Callable[[Request], Awaitable[Response]]


def _told(endpoint: Endpoint) -> Endpoint:
    """Answer with what went wrong, where that is known."""

    async def telling(request: Request) -> Response:
        try:
            return await endpoint(request)
        except MainstayError as problem:
            status = 400 if isinstance(problem, _Wrong | FaultProblem | MarkProblem) else 409
            said = {"version": 1, "error": str(problem), "exit_code": problem.exit_code}
            if isinstance(problem, SystemFileError):
                said |= {"file": problem.file, "problems": [one._asdict() for one in problem.problems]}
            if isinstance(problem, CanaryRejected):
                said["canary"] = problem.figures
            return Line(said, status)

    return telling


def _service(control: Control, request: Request) -> str:
    name: str = request.path_params["service"]
    known = list(control.system.services)
    if name not in known:
        near = get_close_matches(name, known, 1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise _Wrong(f"no service '{name}'; there are: {', '.join(known)}{hint}")
    return name


def _rehearse(body: bytes) -> bool:
    try:
        asked: Any = json.loads(body or b"{}")
        rehearse = asked.get("dry_run", False)
    except (ValueError, AttributeError):
        rehearse = None
    if not isinstance(rehearse, bool):
        raise _Wrong('the body must be {"dry_run": true}, {"dry_run": false}, or empty')
    return rehearse


def _canary(body: bytes) -> CanarySpec | None:
    try:
        asked: Any = json.loads(body or b"{}").get("canary")
        if asked is None:
            return None
        known = {"watch": CanarySpec().watch, "requests": CanarySpec().requests}
        watch, requests = (asked.get(key, default) for key, default in known.items())
        sound = not asked.keys() - known and type(watch) in (int, float) and type(requests) is int
    except (ValueError, AttributeError):
        sound = False
    if not sound or not 0 < watch <= LONGEST or not 0 <= requests <= MOST_REQUESTS:
        raise _Wrong(
            'the body must be empty or {"canary": {"watch": SECONDS, "requests": NUMBER}},'
            f" with up to {LONGEST:.0f} seconds and from 0 to {MOST_REQUESTS} requests"
        )
    return CanarySpec(watch=float(watch), requests=requests)


def _count(body: bytes) -> int:
    try:
        asked: Any = json.loads(body)["instances"]
    except (ValueError, KeyError, TypeError):
        raise _Wrong('the body must be {"instances": NUMBER}') from None
    if not isinstance(asked, int) or isinstance(asked, bool) or not 1 <= asked <= _MOST:
        raise _Wrong(f"instances must be a whole number from 1 to {_MOST}, not {asked!r}")
    return asked
