"""Active health checks: ask an instance whether it is there, and hear its answer."""

import asyncio
import errno
import re
import ssl

from mainstay.base.errors import EnvironmentProblem
from mainstay.base.probe import ProbeResult, Talk
from mainstay.gateway.preamble import write
from mainstay.system.certificate import said as of_openssl

_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])(?: [^\r\n]*)?\r?\n")
# As in `approach.OURS`, which is not imported so that this stays apart from the traffic.
_OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})
_MOST = 65536
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

    Raises:
        EnvironmentProblem: we ourselves are out of descriptors, ports or memory; that proves nothing.
    """
    loop = asyncio.get_running_loop()
    begun = loop.time()
    try:
        async with asyncio.timeout(limit):
            first = write(preamble, None) if preamble else b""
            if talk is None:
                ok, said = await _ask(host, port, path, tls, name, first)
            else:
                ok, said = await _talk(host, port, talk, first)
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
    """Asks when the connection is there, and hears the first line of the answer."""

    def __init__(self, question: bytes, heard: asyncio.Future[bytes]) -> None:
        self._question = question
        self._heard = heard
        self._got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.write(self._question)  # type: ignore[attr-defined] # one that writes

    def data_received(self, data: bytes) -> None:
        self._got += data
        if b"\n" in data or len(self._got) > _MOST:
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
    host: str, port: int, path: str | None, tls: ssl.SSLContext | None, name: str, first: bytes
) -> tuple[bool, str]:
    loop = asyncio.get_running_loop()
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    line = f"GET {path}" if path else "OPTIONS *"
    question = (
        f"{line} HTTP/1.1\r\nHost: {place}\r\nUser-Agent: mainstay-health\r\n"
        "Accept: */*\r\nConnection: close\r\n\r\n".encode()
    )
    heard: asyncio.Future[bytes] = loop.create_future()
    if tls is None:
        transport, _ = await loop.create_connection(lambda: _Ear(first + question, heard), host, port)
    else:
        ear = _Ear(question, heard)
        transport = await _secured(ear, host, port, tls, name, first)
    try:
        first, end, _ = (await heard).partition(b"\n")
    finally:
        # Nobody else asks for it; and who is not waited for any more need not tell.
        heard.cancel()
        transport.abort()
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
    ear: _Ear, host: str, port: int, tls: ssl.SSLContext, name: str, first: bytes
) -> asyncio.Transport:
    loop = asyncio.get_running_loop()
    if not first:
        transport, _ = await loop.create_connection(lambda: ear, host, port, ssl=tls, server_hostname=name)
        return transport
    raw, _ = await loop.create_connection(asyncio.Protocol, host, port)
    try:
        raw.write(first)
        secured = await loop.start_tls(raw, ear, tls, server_hostname=name)
    except BaseException:
        raw.abort()
        raise
    assert secured is not None
    ear.connection_made(secured)
    return secured


async def _talk(host: str, port: int, talk: Talk, first: bytes) -> tuple[bool, str]:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        expected, heard = talk.expect.encode("latin-1"), b""
        writer.write(first + talk.send.encode("latin-1"))
        while expected not in heard:
            piece = await reader.read(_MOST)
            heard += piece
            if not piece or len(heard) > _MOST:
                return False, "not the expected answer" if heard else "connection closed without an answer"
        return True, "the expected answer" if expected else "accepted a connection"
    finally:
        writer.close()
