"""Active health checks: ask an instance whether it is there, and hear its answer."""

import asyncio
import errno
import re

from mainstay.base.errors import EnvironmentProblem
from mainstay.base.probe import ProbeResult

_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])(?: [^\r\n]*)?\r?\n")
# As in `connection.OURS`, which is not imported so that this stays apart from the traffic.
_OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})
_MOST = 65536
_GOOD = range(200, 400)


async def check(host: str, port: int, path: str | None, limit: float) -> ProbeResult:
    """Ask once, and tell what was said.

    Args:
        host: Address of the instance.
        port: Its port.
        path: What to GET; 2xx and 3xx are good. None: `OPTIONS *`, the ping of HTTP (RFC 9110 §9.3.7);
            any HTTP answer shows that the process answers, so any is good.
        limit: Seconds for the whole of it, connection included.

    Raises:
        EnvironmentProblem: we ourselves are out of descriptors, ports or memory; that proves nothing.
    """
    loop = asyncio.get_running_loop()
    begun = loop.time()
    try:
        async with asyncio.timeout(limit):
            ok, said = await _ask(host, port, path)
    except TimeoutError:
        ok, said = False, f"no answer within {limit * 1000:.0f}ms"
    except ConnectionRefusedError:
        ok, said = False, "connection refused"
    except OSError as error:
        if error.errno in _OURS:
            raise EnvironmentProblem(f"cannot check: {(error.strerror or str(error)).lower()}") from error
        ok, said = False, (error.strerror or str(error)).lower()
    return ProbeResult(ok, said, loop.time() - begun)


async def _ask(host: str, port: int, path: str | None) -> tuple[bool, str]:
    reader, writer = await asyncio.open_connection(host, port, limit=_MOST)
    try:
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        line = f"GET {path}" if path else "OPTIONS *"
        writer.write(
            f"{line} HTTP/1.1\r\nHost: {place}\r\nUser-Agent: mainstay-health\r\n"
            "Accept: */*\r\nConnection: close\r\n\r\n".encode()
        )
        try:
            first = await reader.readline()
        except ValueError:
            return False, "not an HTTP answer"
        if not first:
            return False, "connection closed without an answer"
        found = _STATUS.fullmatch(first)
        if found is None:
            return False, "not an HTTP answer"
        status = int(found[1])
        return path is None or status in _GOOD, f"HTTP {status}"
    finally:
        writer.transport.abort()
