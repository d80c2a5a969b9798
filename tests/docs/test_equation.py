"""The worked examples of the explanation are what the model says."""

from pathlib import Path

import pytest

from mainstay.ledger.figure import percent, span
from mainstay.reliability.model.chain import Group, available
from mainstay.reliability.model.downtime import downtime

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "the-equation.md"
DAY = 86400.0


def _available(instances: int, coverage: float, days: float = 30) -> float:
    group = Group(
        units=instances,
        crew=instances,
        mtbf=days * DAY,
        mttr=300,
        failover=1,
        recovery=300,
        coverage=coverage,
    )
    return available(group)


@pytest.mark.parametrize(
    ("instances", "days", "coverage"), [(2, 30, 0), (1, 30, None), (1, 120, None), (2, 30, 0.95), (2, 30, 1)]
)
def test_the_three_systems(instances: int, days: int, coverage: float | None) -> None:
    share = _available(instances, coverage or 0, days)

    what = "–" if coverage is None else f"{coverage:.0%}".replace("%", " %")  # noqa: RUF001 - as the page has it
    row = f"| {instances} | {days} d | {what} | {percent(share)} | {span(downtime(share))} |"
    assert row in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("coverage", [0, 0.5, 0.9, 0.99, 1])
def test_more_replicas(coverage: float) -> None:
    cells = [span(downtime(_available(count, coverage))) for count in range(1, 6)]

    assert f"| {coverage:.0%} | {' | '.join(cells)} |".replace("%", " %") in PAGE.read_text(encoding="utf-8")
