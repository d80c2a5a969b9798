"""The part of the control API that is about times which are not charged: maintenance, and drills on the running system."""

import json

from starlette.requests import Request
from starlette.responses import Response

from mainstay.control import Control
from mainstay.control.marks import MarkProblem
from mainstay.web.faults import Path
from mainstay.web.server import Line

_DIGITS = 16


def paths(control: Control) -> list[Path]:
    """Give what is answered where."""

    async def marks(request: Request) -> Response:
        if request.method == "POST":
            return Line({"version": 1, **control.begin_mark(_read(await request.body()))})
        return Line({"version": 1, "marks": control.marks()})

    async def end(request: Request) -> Response:
        told: str = request.path_params["mark"]
        if not (told.isascii() and told.isdecimal() and len(told) < _DIGITS):
            raise MarkProblem("a mark is called by its number")
        return Line({"version": 1, **control.end_mark(int(told))})

    return [("/v1/marks", marks, ["GET", "POST"]), ("/v1/marks/{mark}/end", end, ["POST"])]


def _read(body: bytes) -> object:
    try:
        found: object = json.loads(body)
    except ValueError:
        raise MarkProblem("the body must be JSON") from None
    return found
