"""What an instance may answer: no client sees another answer than the instance gave, or half of one as a whole."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from conformance import grammar, readers
from conformance.held import bounded
from conformance.laws import (
    END,
    KEEP,
    RESET,
    check_heard,
    check_source,
    check_told,
    same_told,
    tell,
)
from conformance.leniency import ANSWERS, asked
from conformance.stage import Stage
from fuzz.request import cut, repeated

LARGEST = 2048
TOKENS = grammar.TOKENS

_HOW = 3
"""Bytes before the instance's own: the request and how the connection ends, and as for requests."""
_REQUESTS = [(b"GET", 1), (b"GET", 0), (b"HEAD", 1), (b"POST", 1)]
_ENDS = [KEEP, END, RESET]


_FOUND = [
    # An extension of a chunk without a name.
    b"\x08\0\0HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0; \r\n\r\nTTP/1ok",
]
"""What was found once."""


def seeds() -> list[bytes]:
    """Give what is known to be worth a look."""
    ways = len(_REQUESTS) * len(_ENDS)
    return [
        bytes([number % ways + number % 2 * 128, number % 16, 0]) + data
        for number, data in enumerate(grammar.answers())
    ] + _FOUND


@contextmanager
def prepared() -> Iterator[Callable[[bytes], None]]:
    """Make two gateways, one of which holds no answer back, and give the function that judges one input."""
    stages = [Stage(call={"retry": None}), Stage(call={"retry": None}, hold=3)]
    for stage in stages:
        stage.watch = bounded(stage)

    def judge(data: bytes) -> None:
        how, data = data[:_HOW], data[_HOW:]
        if len(how) < _HOW:
            return
        data, stage = repeated(data, how[2]), stages[how[0] >> 7]
        method, minor = _REQUESTS[how[0] % len(_REQUESTS)]
        kind = {"method": method, "then": _ENDS[how[0] // len(_REQUESTS) % len(_ENDS)]}
        told = tell(stage, [data], minor=minor, **kind)
        check_told(data, told, **kind)
        if len(data) <= 2 * LARGEST:
            for reader in asked(readers.ANSWERS, ANSWERS, data).values():
                check_source(data, told, reader, **kind)
            for reader in asked(readers.ANSWERS, ANSWERS, told.raw).values():
                check_heard(told, reader, **kind)
        same_told(told, tell(stage, cut(data, how[1]), minor=minor, **kind))

    yield judge
    for stage in stages:
        stage.close()
