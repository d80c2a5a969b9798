"""What stands between a connection to an instance and its transport while there are faults.

::

    UpstreamConnection, End, ...   ── writes ─▶  Leg  ── up ──▶  transport ── instance
    (protocol of the one)          ◀── down ──  (protocol of the other)

It can be put there at any time, and is taken out when the last fault is over: a connection that no fault is aimed at
has none. On TLS it stands on the inner side, and so delays, cuts and spoils what is said, not the records.

Pieces leave in the order in which they came. One that is not delayed, behind none that is, is handed on at once.
"""

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from mainstay.gateway.fault.answer import CUT, END, HALT, Answer, Item, error
from mainstay.gateway.fault.effect import Effect, Lot, drawn
from mainstay.gateway.fault.piece import Piece, Way
from mainstay.gateway.http.connection import UpstreamConnection
from mainstay.gateway.tcp.relay import End, reset
from mainstay.gateway.tcp.waiting import Waiting

if TYPE_CHECKING:
    from mainstay.gateway.fault.legs import Legs

MOST_UP = 65536
"""Bytes to an instance that are held back until no more are wanted."""
MOST_DOWN = 2**20
"""Bytes from an instance that are held back until no more are read."""
_EOF: Final = "eof"
_LOST: Final = "lost"
_CLOSE: Final = "close"
_OVER: Final = "over"
"""It ends in order, for both sides."""
_SOON = 0.0005


class Leg(asyncio.Transport, asyncio.Protocol):
    """One connection to an instance, with faults."""

    def __init__(
        self, legs: "Legs", inner: asyncio.Protocol, lot: Lot | None = None, *, check: bool = False
    ) -> None:
        """Be ready to stand before `inner`.

        Args:
            legs: All those of the instance.
            inner: Whose connection it is.
            lot: Which faults act on it, as far as that is decided.
            check: It is for a health check, which has no faults of answers.
        """
        super().__init__()
        self.inner = inner
        self.raw: asyncio.Transport = None  # type: ignore[assignment] # told by connection_made, or seat
        self._legs = legs
        self._loop = legs.loop
        self._check = check
        self._lot: Lot = {} if lot is None else lot
        # Until it is ended by a fault.
        self._timers: dict[Effect, asyncio.TimerHandle] = {}
        # Faults that this check has been counted for.
        self._counted: set[Effect] = set()
        self._up = Way(down=False)
        self._down = Way(down=True)
        # The protocol has closed it, or a fault has; both sides hear no more of one another.
        self._closing = False
        self._cut = False
        self._broken: Exception | None = None
        # The protocol was told that it is over; its transport's end has been seen.
        self._gone = False
        self._raw_gone = False
        # Who wants no more, of what: the protocol (down), we (down), the transport (up), we (up).
        self._paused = False
        self._full_down = False
        self._raw_full = False
        self._full_up = False
        # Requests that were sent here: the number tells of a new one.
        self._used = inner.used if isinstance(inner, UpstreamConnection) else 0
        self._answer: tuple[Effect, Answer] | None = None
        self._swallowing = False
        legs.legs.add(self)

    # --- coming and going ---

    def seat(self) -> None:
        """Stand between a protocol and the transport that it has."""
        inner = self.inner
        assert isinstance(inner, UpstreamConnection | End | Waiting)
        self.raw = inner.transport
        self._raw_full = isinstance(inner, UpstreamConnection) and inner.paused
        _give(inner, self)
        self.raw.set_protocol(self)
        self._time_all()

    def _leave(self) -> None:
        """Go, if there is no more to do and the two can do without us."""
        inner = self.inner
        busy = self._up.pieces or self._down.pieces or self._paused or self._answer or self._swallowing
        if busy or self._closing or self._cut or self._gone or self._raw_gone:
            return
        if isinstance(inner, UpstreamConnection | End | Waiting):
            self.raw.set_protocol(inner)
            _give(inner, self.raw)
            self._gone = True
            self._legs.part(self)

    def began(self, effect: Effect) -> None:
        """Hear of a fault that begins."""
        if self._check or self._closing or self._cut or not drawn(self._lot, effect):
            return
        if effect.cuts:
            self._note(effect)
            self._break()
        elif not effect.late:
            self._time(effect)

    def ended(self) -> None:
        """Hear of one that is over: what it held back is let go."""
        for effect in [one for one in self._timers if one.over.is_set()]:
            self._timers.pop(effect).cancel()
        if self._answer is not None and self._answer[0].over.is_set():
            for item in self._answer[1].let_go():
                self._enter(self._down, item)
            if self._answer[1].passing:
                self._answer = None
        for way in (self._up, self._down):
            self._pump(way)
        if not self._legs.effects:
            self._leave()

    # --- the transport tells us ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport of a connection that is new."""
        self.raw = transport  # type: ignore[assignment]
        self.inner.connection_made(self)
        self._time_all()

    def data_received(self, data: bytes) -> None:
        """Take what has come, spoil it if that is to be, and hand it on in time."""
        if self._closing or self._cut:
            return
        if self._answer is None:
            self._enter(self._down, data)
            return
        effect, answer = self._answer
        items = answer.feed(data)
        if answer.acted and effect not in self._counted:
            self._counted.add(effect)
            effect.count.acted += 1
        for item in items:
            self._enter(self._down, item, effect)

    def eof_received(self) -> bool:
        """Hand on in time that no more will come."""
        if not (self._closing or self._cut):
            self._enter(self._down, _EOF)
        # asyncio's own TLS has no half of a connection; ours, and sockets, wait for the word of the protocol.
        return self.raw.get_extra_info("ssl_object") is None or not self._check

    def connection_lost(self, exc: Exception | None) -> None:
        """Hand on in time that it is over."""
        self._raw_gone = True
        if self._closing or self._cut:
            self._lose(self._broken or exc)
        else:
            self._broken = exc
            self._enter(self._down, _LOST)

    def pause_writing(self) -> None:
        """Hand on that the instance reads too slowly."""
        self._raw_full = True
        if not self._full_up:
            self.inner.pause_writing()

    def resume_writing(self) -> None:
        """Hand on that it has read."""
        self._raw_full = False
        if not self._full_up:
            self.inner.resume_writing()

    # --- the protocol tells us ---

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send, in time."""
        if self._closing or self._cut or not data:
            return
        inner = self.inner
        if isinstance(inner, UpstreamConnection) and inner.used != self._used:
            self._used = inner.used
            self._ask(bytes(data[:5]))
        if not self._swallowing:
            self._enter(self._up, bytes(data))

    def _ask(self, method: bytes) -> None:
        """Take the beginning of a request: chance decides about its answer."""
        self._answer = None
        self._swallowing = False
        self._counted.clear()
        for effect in self._effects():
            if effect.answers and effect.strikes():
                to_head = method == b"HEAD "
                if effect.spec.fault == "errors":
                    self._swallowing = True
                    effect.count.acted += 1
                    said = error(int(effect.spec.numbers["status"]), to_head=to_head)
                    # Not before whoever asks has done so.
                    self._loop.call_soon(self._say, self._used, said)
                else:
                    self._answer = (effect, Answer(effect.spec.fault, to_head=to_head))
                return

    def _say(self, used: int, answer: bytes) -> None:
        if used == self._used and not (self._closing or self._cut):
            self._enter(self._down, answer)

    def write_eof(self) -> None:
        """Tell the instance, in time, that no more will come."""
        if not (self._closing or self._cut):
            self._enter(self._up, _EOF)

    def can_write_eof(self) -> bool:
        """Tell that an end can be told."""
        return True

    def close(self) -> None:
        """Close when all that was written has been sent; what no fault lets through is not."""
        if self._closing or self._cut:
            return
        self._closing = True
        self._down.stop()
        if not self._raw_gone and not self._held(self._up):
            piece = Piece(_CLOSE, monotonic(), None)
            piece.delays = [(one, late) for one in self._effects() if (late := one.parting(down=False))]
            if self._up.pieces or piece.delays:
                self._up.pieces.append(piece)
                if self._up.timer is None:
                    self._pump(self._up)
                return
        self._end()

    def abort(self) -> None:
        """Cut it."""
        self._closing = True
        self._down.stop()
        self._end(abort=True)

    def _end(self, *, abort: bool = False) -> None:
        self._up.stop()
        if self._raw_gone:
            self._loop.call_soon(self._lose, None)
        elif abort:
            self.raw.abort()
        else:
            self.raw.close()

    def _break(self) -> None:
        """Cut it for both sides, by a reset."""
        self._cut = True
        self._broken = ConnectionResetError("a fault cut it")
        self._down.stop()
        self._up.stop()
        if self._raw_gone:
            self._loop.call_soon(self._lose, self._broken)
        else:
            reset(self.raw)

    def _hang_up(self) -> None:
        """End it for both sides, in order."""
        if self._closing or self._cut or self._gone:
            return
        self.inner.eof_received()
        if not self._closing:
            self._closing = True
            self._down.stop()
            self._end()

    def _time(self, effect: Effect) -> None:
        """Let a fault end it in its time."""
        life = effect.life()
        if life is not None and effect not in self._timers:
            self._timers[effect] = self._loop.call_later(life, self._expire, effect)

    def _time_all(self) -> None:
        for effect in self._effects():
            if not effect.late:
                self._time(effect)

    def _expire(self, effect: Effect) -> None:
        if self._closing or self._cut or self._gone:
            return
        self._note(effect)
        if effect.resets:
            self._break()
        else:
            self._hang_up()

    def is_closing(self) -> bool:
        """Tell whether it is closed, or about to be, as far as its protocol may know."""
        return self._closing or self._cut or self._gone

    def pause_reading(self) -> None:
        """Hand nothing on for now."""
        self._paused = True
        self._read_or_not()

    def resume_reading(self) -> None:
        """Go on."""
        self._paused = False
        self._read_or_not()
        # Not in the middle of what the protocol does.
        self._loop.call_soon(self._pump, self._down)

    def _read_or_not(self) -> None:
        if self._raw_gone or self.raw.is_closing():
            return
        if self._paused or self._full_down:
            self.raw.pause_reading()
        else:
            self.raw.resume_reading()

    def get_write_buffer_size(self) -> int:
        """Give how many bytes wait."""
        return self._up.size + (0 if self._raw_gone else self.raw.get_write_buffer_size())

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Say how many bytes may wait with the transport."""
        self.raw.set_write_buffer_limits(high, low)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Let somebody else speak over it."""
        self.inner = protocol  # type: ignore[assignment] # one of streams
        self._answer = None

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Give who speaks over it."""
        return self.inner

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - asyncio's signature
        """Give what asyncio's transports give."""
        return self.raw.get_extra_info(name, default)

    # --- what is on its way ---

    def _effects(self) -> list[Effect]:
        """Give those that act on this connection."""
        return [effect for effect in self._legs.effects if drawn(self._lot, effect)]

    def _enter(self, way: Way, item: Item, effect: Effect | None = None) -> None:
        if way.shut:
            return
        if not isinstance(item, bytes):
            self._put(way, item, effect)
            return
        effects = self._effects()
        limit = None
        for one in effects:
            room = one.room(way)
            if room is not None:
                way.passed[one] = way.passed.get(one, 0) + len(item)
                if room <= len(item):
                    item, limit = item[:room], one
        at = 0
        while at < len(item):
            sizes = [size for one in effects if (size := one.slice(down=way.down)) is not None]
            most = min(sizes, default=len(item))
            self._put(way, item[at : at + most], effect)
            at += most
        if limit is not None:
            self._note(limit)
            self._put(way, _OVER, limit)
            way.shut = True

    def _put(self, way: Way, item: Item, by: Effect | None) -> None:
        if self._cut or (self._closing and way.down):
            return
        now = monotonic()
        piece = Piece(item, now, by)
        size = len(item) if isinstance(item, bytes) else 0
        for effect in self._effects():
            if effect.late and effect.goes(down=way.down):
                self._time(effect)
            seconds = effect.delay(now, size, way)
            if seconds > 0.0:
                piece.delays.append((effect, seconds))
            if seconds > 0.0 or effect.holds(down=way.down):
                self._note(effect)
        way.pieces.append(piece)
        way.size += size
        if way.timer is None:
            self._pump(way)
        self._limit(way)

    def _pump(self, way: Way) -> None:
        """Hand on what is due."""
        if way.timer is not None:
            way.timer.cancel()
            way.timer = None
        now = monotonic()
        while way.pieces and not self._held(way):
            piece = way.pieces[0]
            due = piece.due()
            if due > now + _SOON:
                way.timer = self._loop.call_later(due - now, self._pump, way)
                break
            way.pieces.popleft()
            if isinstance(piece.item, bytes):
                way.size -= len(piece.item)
            self._hand_on(way, piece.item)
        self._limit(way)
        if not self._legs.effects:
            self._leave()

    def _held(self, way: Way) -> bool:
        if way.down and (self._paused or self._gone):
            return True
        if any(effect.holds(down=way.down) for effect in self._effects()):
            return True
        first = way.pieces[0] if way.pieces else None
        return (
            first is not None
            and first.item == HALT
            and first.effect is not None
            and not first.effect.over.is_set()
        )

    def _limit(self, way: Way) -> None:
        """Want no more than can be kept."""
        if self._closing or self._cut or self._gone:
            return
        if way.down:
            full = way.weight > (MOST_DOWN // 2 if self._full_down else MOST_DOWN)
            if full is not self._full_down:
                self._full_down = full
                self._read_or_not()
            return
        full = way.weight > (MOST_UP // 2 if self._full_up else MOST_UP)
        if full is self._full_up:
            return
        self._full_up = full
        if full and not self._raw_full:
            self.inner.pause_writing()
        elif not full and not self._raw_full:
            self.inner.resume_writing()

    def _hand_on(self, way: Way, item: Item) -> None:
        if not way.down:
            self._send(item)
        elif isinstance(item, bytes):
            self.inner.data_received(item)
        elif item in (_EOF, END):
            if not self.inner.eof_received() and not self._closing:
                if item == END:
                    self._closing = True
                    self._end(abort=True)
                else:
                    self.close()
        elif item == CUT:
            self._break()
        elif item == _OVER:
            self._hang_up()
        elif item == _LOST:
            self._lose(self._broken)

    def _send(self, item: Item) -> None:
        if self._raw_gone:
            return
        if isinstance(item, bytes):
            self.raw.write(item)
        elif item == _EOF:
            if not self.raw.is_closing():
                self.raw.write_eof()
        elif item == _CLOSE:
            self.raw.close()
        elif item == _OVER:
            self._hang_up()

    def _lose(self, exc: Exception | None) -> None:
        if self._gone:
            return
        self._gone = True
        self._up.stop()
        self._down.stop()
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._legs.part(self)
        self.inner.connection_lost(exc)

    def _note(self, effect: Effect) -> None:
        """Count that a fault has acted here; a health check counts once."""
        if not self._check:
            effect.count.acted += 1
        elif effect not in self._counted:
            self._counted.add(effect)
            effect.count.checks += 1


def _give(inner: UpstreamConnection | End | Waiting, transport: asyncio.Transport) -> None:
    if isinstance(inner, End):
        inner.reseat(transport)
    else:
        inner.transport = transport
