"""HOT. TLS on a connection: what comes is decrypted for its protocol, what that writes is encrypted.

::

    socket ── its transport ── Tls ── client or instance
              (writes, reads)  (protocol of the one, transport of the other)

The event loop has TLS of its own, and this stands in its place because a gateway has to know more than it
tells: who is in the middle of a handshake (they count, and are not cut when a worker ends), how much a slow
reader has not taken yet, and that a client which has sent its last word (close_notify) still waits for the
answer. It tells a client why a handshake failed, too, and keeps no buffer for a connection that is idle.
"""

import asyncio
import ssl
from contextlib import suppress
from typing import Any

_SHAKING, _OPEN, _SHUT = range(3)
# One for all connections: what is read is decrypted before anything else is read.
_ARENA = memoryview(bytearray(2**18))
_RECORD = 2**14
"""Bytes that a record may carry at most (RFC 8446 §5.1); OpenSSL reads one at a time."""
_PIECE = 2**16
"""Bytes that are encrypted in one go: the first of them are on their way while the next are worked on."""
_MOST_UNREAD = 2**20

_NOBODY = asyncio.Protocol()


class Tls(asyncio.Transport, asyncio.BufferedProtocol):
    """One connection with TLS, of either side."""

    __slots__ = (
        "_cut",
        "_decrypt",
        "_encrypt",
        "_heard_all",
        "_incoming",
        "_outgoing",
        "_said_all",
        "_state",
        "inner",
        "raw",
        "session",
    )

    def __init__(
        self,
        inner: asyncio.Protocol,
        context: ssl.SSLContext,
        *,
        server_side: bool,
        server_hostname: str | None = None,
    ) -> None:
        """Be ready for a handshake.

        Args:
            inner: Who speaks over it, once there is one.
            context: Certificates, versions and ciphers.
            server_side: Whether the other end begins the handshake.
            server_hostname: The name that the server has to prove; none for a server.
        """
        self.inner = inner
        self.raw: asyncio.Transport = None  # type: ignore[assignment] # told by connection_made
        self._state = _SHAKING
        # Each side has said that no more will come from it (close_notify), or ended without a word.
        self._said_all = self._heard_all = self._cut = False
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.session = context.wrap_bio(
            self._incoming, self._outgoing, server_side=server_side, server_hostname=server_hostname
        )
        self._decrypt = self.session.read
        self._encrypt = self.session.write

    # --- what the sides do ---

    def _shaken(self) -> None:
        """Go on: the handshake is done."""
        raise NotImplementedError

    def _unshaken(self, problem: Exception | None) -> None:
        """Take it that there was no handshake; None: the connection ended before."""
        raise NotImplementedError

    # --- the socket tells us ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the socket's transport."""
        self.raw = transport  # type: ignore[assignment]

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - it is what it is
        """Give where to read to."""
        return _ARENA

    def buffer_updated(self, nbytes: int) -> None:
        """Take what was read."""
        state = self._state
        if state is _OPEN:
            self._incoming.write(_ARENA[:nbytes])
            self._read()
        elif state is _SHAKING:
            self._incoming.write(_ARENA[:nbytes])
            self._shake()

    def eof_received(self) -> bool:
        """Take the socket's end; without a word that it is one, somebody may have cut it (RFC 8446 §6.1)."""
        if self._state is not _OPEN:
            return False
        if not self._heard_all:
            self._cut, self._state = True, _SHUT
        return self._heard_all

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell that it is over."""
        inner, state = self.inner, self._state
        self.inner, self._state = _NOBODY, _SHUT
        if state is _SHAKING:
            self._unshaken(exc)
        else:
            inner.connection_lost(
                exc or (ConnectionResetError("it ended without a word") if self._cut else None)
            )
        # What takes memory goes at once; the rest, of which some is in circles, when somebody looks for such.
        del self.session, self._decrypt, self._encrypt, self._incoming, self._outgoing

    def pause_writing(self) -> None:
        """Pass on that the other end reads too slowly."""
        if self._state is _OPEN:
            self.inner.pause_writing()

    def resume_writing(self) -> None:
        """Pass on that it has read."""
        if self._state is _OPEN:
            self.inner.resume_writing()

    # --- the handshake ---

    def _shake(self) -> None:
        try:
            self.session.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return
        except ssl.SSLError as problem:
            self._state = _SHUT
            self._unshaken(problem)
            self.inner = _NOBODY
            self._flush()  # says why
            self.raw.close()
            return
        self._flush()
        self._state = _OPEN
        self._shaken()
        if self._incoming.pending and self._state is _OPEN:
            self._read()

    # --- reading ---

    def _read(self) -> None:
        data, ended, broken = self._decrypted()
        if self._outgoing.pending:
            # It answered by itself, as to a change of keys; who asks for such and never reads it would fill the memory.
            self._flush()
            if self.raw.get_write_buffer_size() > _MOST_UNREAD:
                self._cut, self._state = True, _SHUT
                self.raw.abort()
                return
        if data:
            self.inner.data_received(data)
        if self._state is not _OPEN:
            return
        if broken:
            # The other end is told why, as far as TLS has words for it.
            self._cut, self._state = True, _SHUT
            self.raw.close()
        elif ended:
            self._heard_all = True
            if not self.inner.eof_received():
                self.close()

    def _decrypted(self) -> tuple[bytes, bool, bool]:
        """Give what can be read, whether that is the last of it, and whether what follows is broken."""
        incoming, decrypt = self._incoming, self._decrypt
        data = b""
        pieces: list[bytes] | None = None
        ended = broken = False
        try:
            # What is encrypted is longer than what it says, so that this takes a record whole, unless its beginning
            # came before: that is with OpenSSL, which then has more than what is incoming now.
            while size := incoming.pending or self.session.pending():
                piece = decrypt(min(size, _RECORD))
                if not piece:
                    ended = True
                    break
                if pieces is not None:
                    pieces.append(piece)
                elif data:
                    pieces = [data, piece]
                else:
                    data = piece
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            ended = True  # what it is called when we have said so before
        except ssl.SSLError:
            broken = True
        return b"".join(pieces) if pieces is not None else data, ended, broken

    def pause_reading(self) -> None:
        """Read no more for now."""
        self.raw.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        self.raw.resume_reading()

    # --- writing ---

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt and send."""
        if self._state is not _OPEN or self._said_all:
            return
        try:
            if len(data) <= _PIECE:
                self._encrypt(data)
                self.raw.write(self._outgoing.read())
                return
            view = memoryview(data)
            for at in range(0, len(view), _PIECE):
                self._encrypt(view[at : at + _PIECE])
                self.raw.write(self._outgoing.read())
        except ssl.SSLError:
            self.abort()

    def _flush(self) -> None:
        data = self._outgoing.read()
        if data:
            self.raw.write(data)

    def get_write_buffer_size(self) -> int:
        """Give how many bytes wait for the other end to read."""
        return self.raw.get_write_buffer_size()

    def can_write_eof(self) -> bool:
        """Tell that an end can be told."""
        return True

    def write_eof(self) -> None:
        """Tell the other end that no more will come; what it still sends is read."""
        if self._state is _OPEN and not self._said_all:
            self._say_goodbye()
            self.raw.write_eof()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Say how many bytes may wait until nothing more is wanted."""
        self.raw.set_write_buffer_limits(high, low)

    # --- the end ---

    def is_closing(self) -> bool:
        """Tell whether it is closed, or about to be."""
        return self._state is _SHUT or self.raw.is_closing()

    def close(self) -> None:
        """Close when all that was written has been sent."""
        if self._state is _SHAKING:
            self.raw.abort()
            return
        if self._state is _OPEN:
            self._say_goodbye()
        self._state = _SHUT
        self.raw.close()

    def abort(self) -> None:
        """Cut it; the other end sees that something is missing."""
        if self._state is _OPEN:
            self._state = _SHUT
        self.raw.abort()

    def _say_goodbye(self) -> None:
        if self._said_all:
            return
        self._said_all = True
        # It would wait for the other's goodbye, which we do not (RFC 8446 §6.1).
        with suppress(ssl.SSLError):
            self.session.unwrap()
        self._flush()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Let somebody else speak over it."""
        self.inner = protocol  # type: ignore[assignment] # one of streams

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Give who speaks over it."""
        return self.inner

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - asyncio's signature
        """Give what asyncio's transports give."""
        if name == "ssl_object":
            return getattr(self, "session", default)
        return self.raw.get_extra_info(name, default)
