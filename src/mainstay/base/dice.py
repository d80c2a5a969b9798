"""Seeded chance: every choice a machine makes by chance comes from a `Dice`, so that it can be replayed."""

import random


class Dice:
    """A stream of chance that repeats itself for the same seed."""

    __slots__ = ("_stream", "bits", "random", "seed")

    def __init__(self, seed: int | str) -> None:
        self.seed = seed
        self._stream = random.Random(seed)  # noqa: S311 - chance for balancing and jitter, not for secrets
        # Bound once: the gateway rolls for every request.
        self.random = self._stream.random
        self.bits = self._stream.getrandbits

    def between(self, low: float, high: float) -> float:
        """Give a number from `low` to `high`, all equally likely."""
        return low + (high - low) * self.random()

    def below(self, bound: int) -> int:
        """Give a whole number from 0 to `bound` - 1; `bound` must be above 0."""
        # Half as dear as `randrange`; its bias is under 2**-40 for any pool of instances.
        return int(self.random() * bound)

    def fork(self, name: str) -> "Dice":
        """Give a stream of its own to a part, so that parts do not disturb one another's replay."""
        return Dice(f"{self.seed}/{name}")
