"""How many connections come from where, so that one place does not take them all."""


class Crowd:
    """The clients of one worker, by their addresses."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def came(self, peer: str) -> None:
        """Count a connection in, by the address of its other end."""
        who = _household(peer)
        self._counts[who] = self._counts.get(who, 0) + 1

    def left(self, peer: str) -> None:
        """Count it out."""
        who = _household(peer)
        count = self._counts.pop(who, 0)
        if count > 1:
            self._counts[who] = count - 1

    def of(self, peer: str) -> int:
        """Give how many connections there are from where this address is."""
        return self._counts.get(_household(peer), 0)

    def __len__(self) -> int:
        return len(self._counts)


def _household(peer: str) -> str:
    """Give what stands for all addresses that one party may have: of IPv6, everybody gets 2^64 (RFC 6177)."""
    if ":" not in peer:
        return peer
    head, _, tail = peer.partition("::")
    groups = head.split(":") if head else []
    if len(groups) < 4:  # noqa: PLR2004 - four groups are 64 bits
        after = tail.split(":") if tail else []
        groups += ["0"] * (8 - len(groups) - len(after)) + after
    return ":".join(groups[:4])
