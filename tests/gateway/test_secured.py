"""The transport of TLS by itself: it ends, and is cut, as that of a socket does."""

import asyncio
import contextlib
import ssl

import pytest

from mainstay.gateway.tls.layer import Tls
from pki import Authority, Hand


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("pki"))


class Speaker(asyncio.Protocol):
    """Remembers what it is told."""

    def __init__(self):
        self.told = []
        self.keep = True
        self.transport = None
        self.paused = asyncio.Event()
        self.lost = asyncio.Event()

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.told.append(data)

    def eof_received(self):
        self.told.append("end")
        return self.keep

    def pause_writing(self):
        self.paused.set()

    def connection_lost(self, exc):
        self.told.append(type(exc).__name__ if exc else "closed")
        self.lost.set()

    @property
    def said(self):
        return b"".join(one for one in self.told if isinstance(one, bytes))


class Server(Tls):
    def __init__(self, speaker, context):
        super().__init__(speaker, context, server_side=True)
        self.speaker = speaker

    def _shaken(self):
        self.speaker.connection_made(self)

    def _unshaken(self, problem):
        self.speaker.told.append(f"no handshake: {problem}")
        self.speaker.lost.set()


@pytest.fixture
async def both(ca):
    """Give a speaker behind TLS, and a hand at the other end of it."""
    loop = asyncio.get_running_loop()
    speaker = Speaker()
    context = ca.origin("localhost")
    server = await loop.create_server(lambda: Server(speaker, context), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    hand = await Hand.reach(port, ca.client(), "localhost")
    yield speaker, hand
    hand.close()
    if speaker.transport is not None:
        speaker.transport.abort()
    server.close()
    async with asyncio.timeout(5):
        await speaker.lost.wait()
        with contextlib.suppress(ConnectionResetError):
            await hand.writer.wait_closed()


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - as in the rig
            await asyncio.sleep(0.002)


async def test_after_our_last_word_the_other_end_is_still_heard(both):
    speaker, hand = both
    await hand.shake()
    await until(lambda: speaker.transport)

    speaker.transport.write(b"bye")
    speaker.transport.write_eof()
    speaker.transport.write(b"never said")
    said = await hand.all()
    hand.session.write(b"one more thing")
    hand.flush()
    await until(lambda: speaker.said == b"one more thing")

    assert said == b"bye"
    assert not speaker.transport.is_closing()
    assert "closed" not in speaker.told


async def test_after_the_others_last_word_we_still_speak(both):
    speaker, hand = both
    await hand.shake()
    await hand.send(b"bye")
    hand.say_goodbye()
    hand.writer.write_eof()
    await until(lambda: speaker.told == [b"bye", "end"])

    speaker.transport.write(b"still here")
    speaker.transport.close()

    assert await hand.all() == b"still here"
    await speaker.lost.wait()
    assert speaker.told[-1] == "closed"


async def test_both_ends_may_say_their_last_word(both):
    speaker, hand = both
    await hand.shake()
    await until(lambda: speaker.transport)

    speaker.transport.write_eof()
    assert await hand.all() == b""
    hand.say_goodbye()
    await until(lambda: "end" in speaker.told)
    speaker.transport.close()

    await speaker.lost.wait()
    assert speaker.told == ["end", "closed"]


async def test_who_does_not_want_to_go_on_alone_is_closed(both):
    speaker, hand = both
    speaker.keep = False
    await hand.shake()

    hand.say_goodbye()

    assert await hand.all() == b""
    await speaker.lost.wait()
    assert speaker.told == ["end", "closed"]


async def test_an_end_without_a_word_is_a_cut(both):
    speaker, hand = both
    await hand.shake()
    await hand.send(b"half of")

    hand.writer.write_eof()

    await speaker.lost.wait()
    assert speaker.told == [b"half of", "ConnectionResetError"]


async def test_a_record_that_is_forged_is_a_cut(both):
    speaker, hand = both
    await hand.shake()
    await hand.send(b"true")

    hand.writer.write(b"\x17\x03\x03\x00\x20" + b"x" * 32)

    await speaker.lost.wait()
    assert speaker.told == [b"true", "ConnectionResetError"]
    with pytest.raises(ssl.SSLError, match=r"(?i)bad"):
        await hand.all()


async def test_somebody_else_may_speak_over_it(both):
    speaker, hand = both
    await hand.shake()
    await until(lambda: speaker.transport)
    other = Speaker()

    speaker.transport.set_protocol(other)
    await hand.send(b"hello")
    await until(lambda: other.said == b"hello")
    other.transport = speaker.transport
    hand.say_goodbye()
    await until(lambda: other.told[-1] == "end")
    speaker.transport.abort()

    assert speaker.transport.get_protocol() is other
    await other.lost.wait()
    assert speaker.told == []
    speaker.lost.set()


async def test_it_says_when_the_other_end_reads_too_slowly(both):
    speaker, hand = both
    await hand.shake()
    await until(lambda: speaker.transport)
    speaker.transport.set_write_buffer_limits(high=1000)

    while not speaker.paused.is_set():
        speaker.transport.write(b"x" * 2**20)
        await asyncio.sleep(0)

    assert speaker.transport.get_write_buffer_size() > 1000


async def test_nothing_is_read_while_nobody_wants_to_hear(both):
    speaker, hand = both
    await hand.shake()
    await until(lambda: speaker.transport)

    speaker.transport.pause_reading()
    await hand.send(b"hello")
    await asyncio.sleep(0.05)
    before = list(speaker.told)
    speaker.transport.resume_reading()

    await until(lambda: speaker.said == b"hello")
    assert before == []


async def test_who_has_answers_made_that_it_never_reads_is_cut(both):
    speaker, hand = both
    await hand.shake()
    await until(lambda: speaker.transport)
    transport = speaker.transport
    while transport.get_write_buffer_size() < 2**21:
        transport.write(b"x" * 2**20)
        await asyncio.sleep(0)

    # Python's TLS cannot be made to ask for new keys; this is what OpenSSL would have to say to it.
    transport._outgoing.write(b"an answer that OpenSSL gives by itself")
    await hand.send(b"anything")

    await speaker.lost.wait()
    assert speaker.told == ["ConnectionResetError"]


async def test_a_handshake_that_ends_early_is_told_as_that(both):
    speaker, hand = both

    hand.writer.write_eof()

    await speaker.lost.wait()
    assert speaker.told == ["no handshake: None"]
