"""Whether a pool can do without some of its members, so that those that stay can carry the load.

How much an instance can carry nobody knows before it has carried it. Two things are known:

- its fair part. While the share `keep` of the pool stays, nobody has to bear more than 1 / `keep` times that: with a half,
  twice as much as usual, which is what the loss of one of two means anyway.
- what it was seen to carry: the most good answers that it gave in one stretch of time. If those that stay and are well
  were seen to carry all that is answered now, even fewer than the share may stay, as in quiet hours.

An instance that gives no good answers takes nothing away: what is answered now, the others carry already. So any number of
those that are quite dead can be spared while others answer, and it makes no difference how small the pool is. When nobody
else answers well, the share decides alone: it may not be the instances. The last one always stays.
"""

from collections.abc import Collection, Sequence
from math import ceil

from mainstay.redundancy.health import DRAINING
from mainstay.redundancy.instance import Instance


def can_spare(
    members: Sequence[Instance], leaving: Collection[Instance], keep: float, *, serves: bool
) -> bool:
    """Say whether the others are enough.

    Args:
        members: All of the pool; those that are drained do not count.
        leaving: Who would be left out.
        keep: The share of the pool that is enough in any case.
        serves: Whether those who leave have good answers in between, which others would have to give.
    """
    every = [member for member in members if member.health.state is not DRAINING]
    staying = [
        member
        for member in every
        if member.health.usable and member.ejected_until is None and member not in leaving
    ]
    if not staying or len(staying) >= ceil(keep * len(every)):
        return bool(staying)
    well = [one for member in staying if (one := member.outlier) is not None and one.is_well]
    asked = _answered([*staying, *leaving] if serves else staying)
    return bool(well) and sum(one.carries for one in well) >= asked


def _answered(members: Sequence[Instance]) -> int:
    """Give how many good answers they give together in a stretch now: in this one, or in the one before."""
    known = [one for member in members if (one := member.outlier) is not None]
    return max(sum(one.good for one in known), sum(one.good_before for one in known))
