"""What a spec's numbers may be: each check says what was found and what was allowed.

A number that is not one (NaN) fails every check.
"""

from mainstay.base.errors import SpecError


def above(name: str, value: float, bound: float) -> None:
    """Insist that a value is above a bound; raise `SpecError` otherwise."""
    if not value > bound:
        raise SpecError(f"{name} must be above {bound:g}, not {value:g}")


def at_least(name: str, value: float, bound: float) -> None:
    """Insist that a value reaches a bound; raise `SpecError` otherwise."""
    if not value >= bound:
        raise SpecError(f"{name} must be at least {bound:g}, not {value:g}")


def between(name: str, value: float, low: float, high: float) -> None:
    """Insist that a value is from `low` to `high`, both included; raise `SpecError` otherwise."""
    if not low <= value <= high:
        raise SpecError(f"{name} must be from {low:g} to {high:g}, not {value:g}")


def one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    """Insist that a word is one of those allowed; raise `SpecError` otherwise."""
    if value not in allowed:
        raise SpecError(f"{name} must be one of {', '.join(allowed)}, not {value}")
