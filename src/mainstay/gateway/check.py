"""Active health checks: ask an instance whether it is there, and hear its answer."""

import asyncio
import errno
import re
import ssl
from collections.abc import Awaitable, Callable

from mainstay.base.errors import EnvironmentProblem
from mainstay.base.probe import ProbeResult, Talk
from mainstay.gateway.preamble import write
from mainstay.system.certificate import said as of_openssl

_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])(?: [^\r\n]*)?\r?\n")
# As in `approach.OURS`, which is not imported so that this stays apart from the traffic.
_OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})
_MOST = 65536
Lead = Callable[[asyncio.Protocol], Awaitable[asyncio.Protocol]]
"""Puts something between a protocol and the connection that is about to be made for it."""
_GOOD = range(200, 400)


async def check(  # noqa: PLR0913 - the last two go together
    host: str,
    port: int,
    path: str | None,
    limit: float,
    talk: Talk | None = None,
    *,
    tls: ssl.SSLContext | None = None,
    name: str = "",
    preamble: str = "",
    lead: Lead | None = None,
) -> ProbeResult:
    """Ask once, and tell what was said.

    Args:
        host: Address of the instance.
        port: Its port.
        path: What to GET; 2xx and 3xx are good. None: `OPTIONS *`, the ping of HTTP (RFC 9110 §9.3.7);
            any HTTP answer shows that the process answers, so any is good.
        limit: Seconds for the whole of it, connection included.
        talk: What is said in place of HTTP.
        tls: How TLS is spoken with it; None: it speaks without.
        name: The name that its certificate must be for.
        preamble: The version of the PROXY protocol with which it is spoken to.
        lead: What the connection has to go through, if anything.

    Raises:
        EnvironmentProblem: we ourselves are out of descriptors, ports or memory; that proves nothing.
    """
    loop = asyncio.get_running_loop()
    begun = loop.time()
    try:
        async with asyncio.timeout(limit):
            first = write(preamble, None) if preamble else b""
            if talk is None:
                ok, said = await _ask(host, port, path, tls, name, first, lead)
            else:
                ok, said = await _talk(host, port, talk, first, lead)
    except TimeoutError:
        ok, said = False, f"no answer within {limit * 1000:.0f}ms"
    except ConnectionRefusedError:
        ok, said = False, "connection refused"
    except ssl.SSLError as error:
        ok, said = False, f"TLS: {of_openssl(error)}"
    except OSError as error:
        if error.errno in _OURS:
            raise EnvironmentProblem(f"cannot check: {(error.strerror or str(error)).lower()}") from error
        ok, said = False, (error.strerror or str(error)).lower()
    return ProbeResult(ok, said, loop.time() - begun)


class _Ear(asyncio.Protocol):
    """Asks when the connection is there, and hears the answer as far as it is wanted."""

    transport: asyncio.Transport

    def __init__(self, question: bytes, heard: asyncio.Future[bytes], wanted: bytes) -> None:
        self._question = question
        self._heard = heard
        self._wanted = wanted
        self._got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment] # one that writes
        self.transport.write(self._question)

    def data_received(self, data: bytes) -> None:
        self._got += data
        if self._wanted in self._got or len(self._got) > _MOST:
            self._end()

    def eof_received(self) -> None:
        self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None and not self._heard.done():
            self._heard.set_exception(exc)
        self._end()

    def _end(self) -> None:
        if not self._heard.done():
            self._heard.set_result(self._got)


async def _ask(  # noqa: PLR0913, PLR0917 - called in one place
    host: str,
    port: int,
    path: str | None,
    tls: ssl.SSLContext | None,
    name: str,
    first: bytes,
    lead: Lead | None,
) -> tuple[bool, str]:
    loop = asyncio.get_running_loop()
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    line = f"GET {path}" if path else "OPTIONS *"
    question = (
        f"{line} HTTP/1.1\r\nHost: {place}\r\nUser-Agent: mainstay-health\r\n"
        "Accept: */*\r\nConnection: close\r\n\r\n".encode()
    )
    heard: asyncio.Future[bytes] = loop.create_future()
    ear = _Ear(question if tls is not None else first + question, heard, b"\n")
    protocol = ear if lead is None else await lead(ear)
    if tls is None:
        await loop.create_connection(lambda: protocol, host, port)
    else:
        await _secured(protocol, host, port, tls, name, first)
    try:
        first, end, _ = (await heard).partition(b"\n")
    finally:
        # Nobody else asks for it; and who is not waited for any more need not tell.
        heard.cancel()
        ear.transport.abort()
    if not first and not end:
        return False, "connection closed without an answer"
    found = _STATUS.fullmatch(first + end)
    if found is None:
        return False, "not an HTTP answer"
    status = int(found[1])
    if path is None or status in _GOOD:
        return True, f"HTTP {status}"
    return False, f"HTTP {status} instead of 2xx or 3xx"


async def _secured(  # noqa: PLR0913, PLR0917 - called in one place
    protocol: asyncio.Protocol, host: str, port: int, tls: ssl.SSLContext, name: str, first: bytes
) -> None:
    loop = asyncio.get_running_loop()
    if not first:
        await loop.create_connection(lambda: protocol, host, port, ssl=tls, server_hostname=name)
        return
    raw, _ = await loop.create_connection(asyncio.Protocol, host, port)
    try:
        raw.write(first)
        secured = await loop.start_tls(raw, protocol, tls, server_hostname=name)
    except BaseException:
        raw.abort()
        raise
    assert secured is not None
    protocol.connection_made(secured)


async def _talk(host: str, port: int, talk: Talk, first: bytes, lead: Lead | None) -> tuple[bool, str]:
    loop = asyncio.get_running_loop()
    expected = talk.expect.encode("latin-1")
    heard: asyncio.Future[bytes] = loop.create_future()
    ear = _Ear(first + talk.send.encode("latin-1"), heard, expected)
    protocol = ear if lead is None else await lead(ear)
    await loop.create_connection(lambda: protocol, host, port)
    try:
        if not expected:
            return True, "accepted a connection"
        got = await heard
    finally:
        heard.cancel()
        ear.transport.close()
    if expected in got:
        return True, "the expected answer"
    return False, "not the expected answer" if got else "connection closed without an answer"
