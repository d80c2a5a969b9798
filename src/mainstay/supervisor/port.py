"""Ports for instances: free now, and nobody else's until they are given back.

Between choosing a port and an instance listening on it anybody could take it. Three things prevent that:
the kernel never hands these ports out by itself, because they lie outside its ephemeral range; every
Mainstay on the machine claims a port by binding an abstract Unix socket named after it, which vanishes with
its holder; and a port counts as free only if a program could listen on it on any address right now, even one
that does not ask for SO_REUSEADDR.
"""

import errno
import socket
from pathlib import Path

from mainstay.base.dice import Dice
from mainstay.base.errors import EnvironmentProblem

FIRST = 20_000
"""The lowest port given out: above those that well-known services are found at."""

_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
# These are no property of the port: trying the next one would try them all in vain.
_OUR_OWN_TROUBLE = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_FEWEST = 100
_HIGHEST = 65_535


class Port:
    """A port that is reserved."""

    __slots__ = ("_claim", "number")

    def __init__(self, number: int, claim: socket.socket | None) -> None:
        self.number = number
        self._claim = claim

    @property
    def free(self) -> bool:
        """Whether a program could listen on it now, on any address."""
        try:
            return bindable(self.number)
        except OSError:
            return False

    def release(self) -> None:
        """Give it back; a second time does nothing."""
        if self._claim is not None:
            self._claim.close()
            self._claim = None


class Ports:
    """Where ports come from."""

    def __init__(self, dice: Dice, numbers: range | None = None) -> None:
        self._numbers = port_range() if numbers is None else numbers
        # Not from the first one on: several Mainstays would all try the same ports one after another.
        self._next = dice.below(len(self._numbers))

    def reserve(self, preferred: int | None = None) -> Port:
        """Reserve a free port, `preferred` if it is free.

        Raises:
            EnvironmentProblem: every port of the range is taken, or no socket can be made.
        """
        try:
            return self._reserve(preferred)
        except OSError as problem:
            raise EnvironmentProblem(f"cannot look for a free port: {problem.strerror}") from problem

    def retake(self, number: int) -> Port:
        """Claim the port of an adopted instance, which listens on it already."""
        # Should another Mainstay hold the claim, there is nothing to be done: the instance has the port.
        return Port(number, _claim(number))

    def _reserve(self, preferred: int | None) -> Port:
        if preferred is not None and (port := _take(preferred)) is not None:
            return port
        for _ in self._numbers:
            number = self._numbers[self._next]
            self._next = (self._next + 1) % len(self._numbers)
            if (port := _take(number)) is not None:
                return port
        first, last = self._numbers[0], self._numbers[-1]
        raise EnvironmentProblem(f"no port is free from {first} to {last}")


def port_range() -> range:
    """Give the ports for instances: from 20000 up to where the kernel's ephemeral ones begin."""
    try:
        low, high = map(int, _EPHEMERAL.read_text(encoding="ascii").split())
    except (OSError, ValueError):
        low, high = 32_768, 60_999  # Linux's own default
    for numbers in (range(FIRST, low), range(high + 1, _HIGHEST + 1), range(max(1024, low - FIRST), low)):
        if len(numbers) >= _FEWEST:
            return numbers
    # The whole range is ephemeral: the claims still hold between Mainstays.
    return range(FIRST, 32_768)


def bindable(number: int) -> bool:
    """Tell whether a program could listen on a port now, on any address and with any socket options."""
    return all(
        _binds(number, family, address)
        for family, address in (
            (socket.AF_INET, "127.0.0.1"),
            (socket.AF_INET, "0.0.0.0"),  # noqa: S104 - bound for a moment and never listened on
            (socket.AF_INET6, "::"),
        )
    )


def _binds(number: int, family: socket.AddressFamily, address: str) -> bool:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as trial:
            trial.bind((address, number))
    except OSError as problem:
        if problem.errno in _OUR_OWN_TROUBLE:
            raise
        # A machine without IPv6 has nobody listening there.
        return family == socket.AF_INET6 and problem.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
    return True


def _take(number: int) -> Port | None:
    claim = _claim(number)
    if claim is None:
        return None
    try:
        free = bindable(number)
    except OSError:
        claim.close()
        raise
    if not free:
        claim.close()
        return None
    return Port(number, claim)


def _claim(number: int) -> socket.socket | None:
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind(f"\0mainstay-port-{number}")
    except OSError:
        claim.close()
        return None
    return claim
