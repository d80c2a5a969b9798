"""Calls a function of other people's, in a process of its own: `python -m mainstay.drill.toolkit.call`.

On standard input it is told in JSON which `module` and `func`, the `arguments`, and the `configuration` and `secrets` that
a function gets which has parameters of these names. What the function gives is written to standard output as
`{"output": ...}`, or `{"failed": ...}` where it raises. Whatever it prints goes to standard error.
"""

import asyncio
import importlib
import inspect
import json
import os
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any


def main() -> None:
    """Call it."""
    out = os.dup(1)
    os.dup2(2, 1)
    told = json.loads(sys.stdin.read())
    # Where people keep the functions of an experiment: beside it.
    sys.path.append(str(Path.cwd()))
    try:
        answer = {"output": _called(told)}
        written = json.dumps(answer, default=str)
    except (Exception, SystemExit) as problem:  # noqa: BLE001 - other people's code: whatever it raises
        written = json.dumps({"failed": f"{type(problem).__name__}: {problem}"})
    with os.fdopen(out, "w", encoding="utf-8") as stream:
        stream.write(written)


def _called(told: dict[str, Any]) -> Any:  # noqa: ANN401 - whatever it gives
    function = getattr(importlib.import_module(told["module"]), told["func"])
    arguments = dict(told["arguments"])
    wanted = _parameters(function)
    arguments |= {
        name: told[name]
        for name in ("configuration", "secrets")
        if name in wanted and told.get(name) is not None
    }
    given = function(**arguments)
    return asyncio.run(_waited(given)) if inspect.isawaitable(given) else given


def _parameters(function: Any) -> Collection[str]:  # noqa: ANN401 - whatever was named
    try:
        return inspect.signature(function).parameters
    except ValueError:  # one of Python's own, which does not tell
        return ()


async def _waited(given: Any) -> Any:  # noqa: ANN401 - whatever it gives
    return await given


if __name__ == "__main__":
    main()
