"""What ties requests that belong together to one instance.

A bond prefers: whether the one that it prefers may be picked at all is for the pool to say. It holds to the
instance's name, so that its next life takes its place.
"""

from hashlib import blake2b

from mainstay.redundancy.balance import I, rendezvous


class Bond:
    """A tie; two that are alike have the same `key`."""

    __slots__ = ("key",)

    def __init__(self, key: str | int) -> None:
        self.key = key
        """What it is remembered by."""

    def choose(self, members: list[I]) -> I | None:
        """Give the one that is preferred among these, or None when it makes no difference."""
        raise NotImplementedError


class Named(Bond):
    """A tie to the instance of one name: who it is must be told to whoever comes back."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def choose(self, members: list[I]) -> I | None:
        """Give the one of that name, if it is among these."""
        for member in members:
            if member.name == self.name:
                return member
        return None


class Hashed(Bond):
    """A tie between equal values: all who know the same instances choose the same one, without talking."""

    __slots__ = ("number",)

    def __init__(self, value: bytes) -> None:
        self.number = int.from_bytes(blake2b(value, digest_size=8).digest(), "big")
        super().__init__(self.number)

    def choose(self, members: list[I]) -> I | None:
        """Give the one with the highest score for this value."""
        return rendezvous(members, self.number) if members else None
