"""What a client may send: nobody sees another request than we pass on, however its bytes are cut."""

import random
from collections.abc import Callable

from conformance import grammar, readers
from conformance.held import bounded
from conformance.laws import check_agreement, check_passed, check_talk, same_talk, talk
from conformance.leniency import REQUESTS, asked
from conformance.stage import Stage

INSTRUMENTED = ["mainstay.gateway"]
LARGEST = 2048
TOKENS = grammar.TOKENS

_HOW = 2
"""Bytes before the client's own: how the rest is cut, and what is repeated of it."""


def seeds() -> list[bytes]:
    """Give what is known to be worth a look."""
    return [bytes(_HOW) + data for data in grammar.requests()]


def prepare() -> Callable[[bytes], None]:
    """Make a gateway, and give the function that judges one input."""
    stage = Stage()
    stage.watch = bounded(stage)

    def judge(data: bytes) -> None:
        how, data = data[:_HOW], data[_HOW:]
        if len(how) < _HOW or not data:
            return
        data = repeated(data, how[1])
        said = talk(stage, [data])
        check_talk(data, said)
        if said.messages or not said.state:
            for reader in asked(readers.REQUESTS, REQUESTS, data).values():
                check_agreement(data, said, reader(data))
                check_passed(said, reader)
        same_talk(data, said, talk(stage, cut(data, how[0]), apart=bool(how[0] % 2)))

    return judge


def repeated(data: bytes, how: int) -> bytes:
    """Repeat a part of the bytes many times, one time in four: what is to be bounded must be made large."""
    if how % 4 != 1:
        return data
    at = len(data) * (how >> 2) // 64
    return data[:at] + data[at : at + 1 + how % 7] * 300 + data[at + 1 + how % 7 :]


def cut(data: bytes, how: int) -> list[bytes]:
    """Cut bytes into pieces: each byte alone, or at a few places."""
    if how < 2:  # noqa: PLR2004 - the two ways of sending: apart, and one right after another
        return [data[at : at + 1] for at in range(len(data))]
    dice = random.Random(how)
    return grammar.pieces(data, [dice.randrange(2**16) for _ in range(1 + how % 5)])
