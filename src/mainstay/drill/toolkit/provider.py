"""What probes and actions do: a request, a program, or a function; each within a time limit."""

import asyncio
import itertools
import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from mainstay.base.program import module
from mainstay.drill import child
from mainstay.drill.toolkit.experiment import program
from mainstay.drill.toolkit.web import Request, WebFailed, fetch, shown

HTTP_LIMIT = 30.0
"""Seconds for a request whose provider tells no `timeout`: Chaos Toolkit would wait for ever."""
LIMIT = 600.0
"""Seconds for a program or a function, likewise."""
_MOST = 2**20
Values = Mapping[str, Any]


class ActivityFailed(Exception):
    """It could not be done, in a sentence."""


async def provide(told: Values, values: Values, secrets: Values, environ: Mapping[str, str]) -> Any:  # noqa: ANN401
    """Do what a provider says, which has been filled in, and give what came of it.

    Args:
        told: The provider.
        values: The experiment's configuration.
        secrets: Its secrets, by group.
        environ: The environment of programs and functions.

    Raises:
        ActivityFailed: it could not be done, or took too long.
    """
    kind = told["type"]
    limit = _limit(told, HTTP_LIMIT if kind == "http" else LIMIT)
    try:
        async with asyncio.timeout(limit):
            if kind == "http":
                return await _http(told, limit)
            if kind == "process":
                return await _process(told, environ)
            return await _python(told, values, secrets, environ)
    except TimeoutError:
        raise ActivityFailed(f"not done within {limit:g} s") from None


def _limit(told: Values, usual: float) -> float:
    limit = told.get("timeout")
    if isinstance(limit, list) and limit:
        limit = sum(float(one) for one in limit)
    try:
        return float(limit) if limit else usual
    except (TypeError, ValueError):
        raise ActivityFailed(f"timeout must be seconds, not {limit!r}") from None


async def _http(told: Values, limit: float) -> dict[str, Any]:
    request = Request.of(told, limit)
    tries = 1 + int(told.get("max_retries") or 0)
    for number in range(tries):
        try:
            answer = await fetch(request)
        except WebFailed as problem:
            if number + 1 == tries:
                raise ActivityFailed(f"no answer from {shown(request.url)}: {problem}") from problem
        else:
            break
    wanted = told.get("expected_status")
    if wanted is not None and answer["status"] not in (wanted if isinstance(wanted, list) else [wanted]):
        raise ActivityFailed(f"{shown(request.url)} answered {answer['status']}, expected {wanted}")
    return answer


async def _process(told: Values, environ: Mapping[str, str]) -> dict[str, Any]:
    where = program(str(told["path"]))
    if where is None:
        raise ActivityFailed(f"there is no program '{told['path']}'")
    arguments = told.get("arguments") or []
    if isinstance(arguments, str):
        words = ["/bin/sh", "-c", f"{shlex.quote(where)} {arguments}"]
    else:
        flat = (
            itertools.chain.from_iterable(arguments.items()) if isinstance(arguments, Mapping) else arguments
        )
        words = [where, *(str(word) for word in flat if word not in (None, ""))]
    code, out, err = await _ran(words, environ, b"")
    return {"status": code, "stdout": out.decode(errors="replace"), "stderr": err.decode(errors="replace")}


async def _python(told: Values, values: Values, secrets: Values, environ: Mapping[str, str]) -> Any:  # noqa: ANN401
    order: dict[str, Any] = {name: told[name] for name in ("module", "func")}
    order |= {"arguments": told.get("arguments") or {}, "configuration": values}
    groups = told.get("secrets")
    if groups:
        names = [groups] if isinstance(groups, str) else groups
        order["secrets"] = {name: one for group in names for name, one in (secrets.get(group) or {}).items()}
    code, out, err = await _ran(module("mainstay.drill.toolkit.call"), environ, json.dumps(order).encode())
    try:
        answer = json.loads(out)
    except ValueError:
        last = err.decode(errors="replace").strip().splitlines()[-1:]
        raise ActivityFailed(f"{told['module']}.{told['func']} ended with {code}: {''.join(last)}") from None
    if "failed" in answer:
        raise ActivityFailed(f"{told['module']}.{told['func']}: {answer['failed']}")
    return answer["output"]


async def _ran(words: Sequence[str], environ: Mapping[str, str], told: bytes) -> tuple[int, bytes, bytes]:
    """Run a program; with the end of the one who waits for it, all that it has started ends."""
    try:
        started = await child.start(words, environ=environ, told=bool(told))
    except OSError as problem:
        raise ActivityFailed(f"{words[0]} cannot be run: {problem.strerror}") from problem
    try:
        out, err = await started.communicate(told or None)
    finally:
        await child.end(started)
    assert started.returncode is not None
    return started.returncode, out[:_MOST], err[:_MOST]
