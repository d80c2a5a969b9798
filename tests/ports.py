"""Ports for tests, which no other process that runs tests here chooses at the same time.

The kernel hands out none of these by itself, and neither does Mainstay to its instances. Each process claims a block of
them, as Mainstay claims a single port: by an abstract Unix socket of that name, which vanishes with its holder.
"""

import contextlib
import os
import socket
from itertools import count

_FIRST, _BEYOND, _BLOCK = 10_000, 20_000, 100


def free_port():
    """Give a port that nobody listens on, and that is not given again."""
    return next(_ports)


def free_range(size):
    """Give so many of them in a row, at most fifty."""
    first = last = free_port()
    while last - first < size - 1:
        number = free_port()
        first, last = (first if number == last + 1 else number), number
    return range(first, last + 1)


def _free():
    """Go round the blocks, from one of this process's own, so that a port comes back as late as can be."""
    blocks = range(_FIRST, _BEYOND, _BLOCK)
    for at in count(os.getpid()):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as claim:
            block = blocks[at % len(blocks)]
            claim.bind(f"\0mainstay-tests-{block}")
            yield from filter(_bindable, range(block, block + _BLOCK))


def _bindable(number):
    with contextlib.suppress(OSError), socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", number))
        return True
    return False


_ports = _free()
