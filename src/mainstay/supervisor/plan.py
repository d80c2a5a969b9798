"""In which order things are started, stopped and replaced: decisions without I/O."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from mainstay.base.errors import SpecError

MOST = 1000
"""The most instances of a service; as many as the system file may ask for."""


def waves(needs: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Give the order to start services in: those of one wave at once, when all earlier waves are ready.

    Stopping goes through the same waves backwards, so that nobody loses what it needs before it ends.

    Args:
        needs: What each service needs, by name.

    Raises:
        SpecError: services need one another in a circle, or need one that does not exist.
    """
    left = {name: set(wants) for name, wants in needs.items()}
    order: list[list[str]] = []
    while left:
        wave = [name for name, wants in left.items() if not wants]
        if not wave:
            raise SpecError(
                f"services need one another in a circle, or what does not exist: {', '.join(left)}"
            )
        order.append(wave)
        left = {name: wants - set(wave) for name, wants in left.items() if wants}
    return order


class Change(NamedTuple):
    """What is to be done for a service to have as many slots as wanted."""

    start: list[int]
    """Slots to fill, lowest first."""
    stop: list[int]
    """Slots to empty, highest first."""


def resize(have: Iterable[int], want: int) -> Change:
    """Compare the slots that are filled with slots 1 to `want`."""
    filled = set(have)
    return Change(
        start=[slot for slot in range(1, want + 1) if slot not in filled],
        stop=sorted((slot for slot in filled if slot > want), reverse=True),
    )


class Found(NamedTuple):
    """A life that a former supervisor left behind."""

    service: str
    slot: int
    generation: int
    ready: bool
    on_trial: bool = False


class Adoption(NamedTuple):
    """What becomes of the lives that were left behind."""

    keep: list[int]
    """Which of them, by position, go on in their slots."""
    stop: list[int]
    """Which of them, by position, are one too many or not wanted any more."""


def adoption(found: list[Found], wanted: Mapping[str, int]) -> Adoption:
    """Decide who goes on, at most one in each slot.

    A supervisor that ended in the middle of a rolling restart leaves two lives in one slot: the one that was
    ready goes on, since users are being served by it; of two such the younger, which was to replace the other,
    unless it is a canary on trial.
    """
    best: dict[tuple[str, int], int] = {}
    for at, life in enumerate(found):
        if life.slot > wanted.get(life.service, 0):
            continue
        other = best.get((life.service, life.slot))
        if other is None or _worth(life) > _worth(found[other]):
            best[life.service, life.slot] = at
    keep = sorted(best.values())
    return Adoption(keep, [at for at in range(len(found)) if at not in best.values()])


def _worth(life: Found) -> tuple[bool, bool, int]:
    return life.ready, not life.on_trial, life.generation


def scaled(slots: int, saved: tuple[int, int] | None) -> int:
    """Give how many instances a service is to have.

    Args:
        slots: What the system file says now.
        saved: What was asked for by hand, and what the file said then; None if nothing was.
    """
    # Whoever changes the file afterwards means the file: there is one truth, and it can be read.
    return saved[0] if saved is not None and saved[1] == slots else slots
