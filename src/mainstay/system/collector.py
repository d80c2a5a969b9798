"""Where traces are sent, as the system file tells it: the address of a collector, as in `http://collector:4318`."""

import re
from typing import Annotated

from pydantic import PlainValidator, WithJsonSchema

from mainstay.system.listener import is_host
from mainstay.system.value import shown, wrong

TRACES = "/v1/traces"
"""Where below the address a collector takes traces (OTLP/HTTP)."""
_COLLECTOR = re.compile(
    r"https?://(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+))(?::([0-9]{1,5}))?((?:/[A-Za-z0-9._~-]+)*)/?"
)
_HOW = "write http://HOST:PORT or https://HOST:PORT, as in http://127.0.0.1:4318"
_LAST_PORT = 65535


def _collector(written: object) -> str:
    match = _COLLECTOR.fullmatch(written) if isinstance(written, str) else None
    if match is None:
        raise wrong(f"{shown(written)} is not a collector: {_HOW}")
    v6, name, port, path = match.groups()
    if not is_host(v6 or name):
        raise wrong(f"'{v6 or name}' is not a host: {_HOW}")
    if port is not None and not 0 < int(port) <= _LAST_PORT:
        raise wrong(f"port {port} cannot be: allowed are 1 to {_LAST_PORT}")
    if path.endswith(TRACES):
        raise wrong(f"{shown(written)} is told without {TRACES}, which is added")
    return match[0].removesuffix("/")


Collector = Annotated[
    str,
    PlainValidator(_collector),
    WithJsonSchema(
        {"type": "string", "pattern": f"^{_COLLECTOR.pattern}$", "examples": ["http://127.0.0.1:4318"]}
    ),
]
"""The address of a collector, without a slash at its end."""
