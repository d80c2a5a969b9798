"""What goes into a prediction: each number with how sure it is, and where it comes from.

A number that was measured is drawn from what the data leave open (a posterior distribution with Jeffreys' prior, which prefers
nothing). A number that somebody told is taken as told. A number that nobody told and nothing measured is assumed, and is
marked as that. And a coverage that no drill has shown is not assumed at all: it is *unproved*, anything from 0 to 1.

============ ==========================================================================
MTBF         2T / chi2(2r + 1), of `r` failures in a time `T`
MTTR         log-normal from five repairs on, by its generalized pivot; of fewer the spread is not known, and
             they are taken as exponential: 2S / chi2(2n), of `n` repairs that took `S` together
coverage     Beta(k + 1/2, n - k + 1/2), of `n` drills of which `k` were survived
failover     the mean of what was seen, by the Bayesian bootstrap (Rubin, 1981)
============ ==========================================================================

Whoever *reports* coverage alone does so by Clopper and Pearson (`reliability.coverage`), which promises at least 95 %; within a
prediction that would make intervals too wide.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mainstay.base.errors import SpecError
from mainstay.reliability.interval import Interval
from mainstay.reliability.model.covered import refuse_share

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Law = Callable[[np.random.Generator, int], Array]
    """Gives so many draws."""

MEASURED, DECLARED, ASSUMED, UNPROVED = "measured", "declared", "assumed", "unproved"
_ENOUGH = 5
"""Repairs from which on their spread is taken from them."""
_LARGEST = 700.0
"""Of an exponent."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One number of a model."""

    origin: str
    """`MEASURED`, `DECLARED`, `ASSUMED` or `UNPROVED`."""
    value: float | None
    """The best guess; None where there is none."""
    interval: Interval
    """95 %; both ends are the value where it was declared or assumed."""
    events: int | None
    """How many it was measured from; None where it was not."""
    law: "Law"

    @property
    def is_proved(self) -> bool:
        """Whether anything at all is known of it."""
        return self.origin != UNPROVED


def declared(value: float) -> Parameter:
    """Take a number as somebody told it."""
    return _fixed(value, DECLARED)


def assumed(value: float) -> Parameter:
    """Take a number because there has to be one."""
    return _fixed(value, ASSUMED)


def unproved() -> Parameter:
    """Give a coverage of which nothing is known."""
    return Parameter(UNPROVED, None, Interval(0.0, 1.0), 0, lambda chance, count: chance.random(count))


def mtbf(exposure: float, failures: int) -> Parameter:
    """Give the mean time between failures.

    Args:
        exposure: Seconds for which it was watched, all units together.
        failures: How many there were; without any there is a distribution, and no best guess.

    Raises:
        SpecError: numbers that cannot be.
    """
    if not 0 < exposure < math.inf or failures < 0:
        raise SpecError(f"exposure must be above 0 and failures 0 or more, not {exposure} and {failures}")
    shape = failures + 0.5

    def law(chance: "np.random.Generator", count: int) -> "Array":
        return exposure / _above_zero(chance.standard_gamma(shape, count))

    from scipy.special import gammaincinv  # noqa: PLC0415 - takes a while to load, and only reports need it

    low, high = (exposure / float(gammaincinv(shape, share)) for share in (0.975, 0.025))
    value = exposure / failures if failures else None
    return Parameter(MEASURED, value, Interval(low, high if failures else math.inf), failures, law)


def mttr(times: Sequence[float]) -> Parameter:
    """Give the mean time to repair, from how long repairs took, in seconds.

    Raises:
        SpecError: there is none, or one that cannot be.
    """
    if not times or any(not 0 < one < math.inf for one in times):
        raise SpecError("times to repair must be above 0, and at least one")
    law = _log_normal(times) if len(times) >= _ENOUGH else _exponential(times)
    return Parameter(MEASURED, sum(times) / len(times), _within(law), len(times), law)


def coverage(survived: int, trials: int) -> Parameter:
    """Give the coverage that drills have shown; without any trial it is unproved.

    Raises:
        SpecError: numbers that cannot be.
    """
    if not 0 <= survived <= trials:
        raise SpecError(f"survived must be from 0 to the {trials} trials, not {survived}")
    if not trials:
        return unproved()
    good, bad = survived + 0.5, trials - survived + 0.5

    def law(chance: "np.random.Generator", count: int) -> "Array":
        return chance.beta(good, bad, count)

    from scipy.special import betaincinv  # noqa: PLC0415 - likewise

    low, high = (float(betaincinv(good, bad, share)) for share in (0.025, 0.975))
    # Jeffreys' interval is not told to exclude what was seen every time (Brown, Cai and DasGupta, 2001).
    between = Interval(low if survived else 0.0, high if survived < trials else 1.0)
    return Parameter(MEASURED, survived / trials, between, trials, law)


def mean(times: Sequence[float]) -> Parameter:
    """Give the mean of what was seen, whatever its law: of times to fail over, of which many are 0.

    Raises:
        SpecError: there is none, or one that cannot be.
    """
    if not times or any(not 0 <= one < math.inf for one in times):
        raise SpecError("times must be 0 or more, and at least one")
    if min(times) == max(times):
        return Parameter(MEASURED, times[0], Interval(times[0], times[0]), len(times), _constant(times[0]))

    def law(chance: "np.random.Generator", count: int) -> "Array":
        weights = chance.standard_exponential((count, len(times)))
        seconds: Array = weights @ list(times) / weights.sum(axis=1)
        return seconds

    return Parameter(MEASURED, sum(times) / len(times), _within(law), len(times), law)


def share(value: float) -> Parameter:
    """Take a share as somebody told it.

    Raises:
        SpecError: it is none.
    """
    refuse_share(value)
    return declared(value)


def _fixed(value: float, origin: str) -> Parameter:
    if not value >= 0:
        raise SpecError(f"it must be 0 or more, not {value}")
    return Parameter(origin, value, Interval(value, value), None, _constant(value))


def _constant(value: float) -> "Law":
    import numpy as np  # noqa: PLC0415 - takes a while to load, and only predictions need it

    return lambda _, count: np.full(count, value)


def _exponential(times: Sequence[float]) -> "Law":
    total, shape = sum(times), len(times)
    return lambda chance, count: total / _above_zero(chance.standard_gamma(shape, count))


def _log_normal(times: Sequence[float]) -> "Law":
    """Draw means of a log-normal law by the generalized pivot of Krishnamoorthy and Mathew (2003)."""
    import numpy as np  # noqa: PLC0415 - likewise

    logs = np.log(np.array(times, dtype=float))
    middle, spread, count = float(logs.mean()), float(logs.var(ddof=1)), len(times)

    def law(chance: "np.random.Generator", draws: int) -> "Array":
        freedom = _above_zero(2 * chance.standard_gamma((count - 1) / 2, draws))
        variance = spread * (count - 1) / freedom
        exponent = middle + chance.standard_normal(draws) * np.sqrt(variance / count) + variance / 2
        return np.exp(np.minimum(exponent, _LARGEST))

    return law


def _within(law: "Law") -> Interval:
    import numpy as np  # noqa: PLC0415 - likewise

    low, high = np.quantile(law(np.random.default_rng(1), 4000), (0.025, 0.975))
    return Interval(float(low), float(high))


def _above_zero(drawn: "Array") -> "Array":
    # Of a shape of 1/2 a draw may come out as 0.
    return drawn.clip(1e-300)
