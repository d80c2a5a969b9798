"""What a client may send: nobody sees another request than we pass on, however its bytes are cut."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from conformance import grammar, readers
from conformance.held import bounded
from conformance.laws import check_agreement, check_passed, check_talk, same_talk, talk
from conformance.leniency import REQUESTS, asked
from conformance.stage import Stage
from mainstay.gateway.table import Limits

LARGEST = 2048
_MANY = 100_000
"""Bytes that a part is repeated to: beyond all that may be held of heads, bodies and answers."""
TOKENS = grammar.TOKENS

_HOW = 2
"""Bytes before the client's own: how the rest is cut, and what is repeated of it."""


def seeds() -> list[bytes]:
    """Give what is known to be worth a look."""
    return [bytes([number % 16, 0]) + data for number, data in enumerate(grammar.requests())]


@contextmanager
def prepared() -> Iterator[Callable[[bytes], None]]:
    """Make a gateway, and give the function that judges one input."""
    stage = Stage(limits=Limits(head=4096))
    stage.watch = bounded(stage)

    def judge(data: bytes) -> None:
        how, data = data[:_HOW], data[_HOW:]
        if len(how) < _HOW or not data:
            return
        data = repeated(data, how[1])
        said = talk(stage, [data])
        check_talk(data, said)
        if len(data) <= 2 * LARGEST and (said.messages or not said.state):
            for reader in asked(readers.REQUESTS, REQUESTS, data).values():
                check_agreement(data, said, reader(data))
                check_passed(said, reader)
        same_talk(data, said, talk(stage, cut(data, how[0]), apart=bool(how[0] % 2)))

    yield judge
    stage.close()


def repeated(data: bytes, how: int) -> bytes:
    """Repeat a part of the bytes many times, if told so: what is to be bounded must be made large."""
    if how < 128:  # noqa: PLR2004 - half of what a byte can say
        return data
    at, count = len(data) * (how & 15) // 16, 1 << (how >> 4 & 7)
    return data[:at] + data[at : at + count] * (_MANY // count) + data[at + count :]


def cut(data: bytes, how: int) -> list[bytes]:
    """Cut bytes into pieces: at a few places, or each byte alone, which takes the longest by far."""
    if how < 2:  # noqa: PLR2004 - the two ways of sending: one right after another, and apart
        return grammar.single(data)
    dice = random.Random(how)
    return grammar.pieces(data, [dice.randrange(2**16) for _ in range(1 + how % 5)])
