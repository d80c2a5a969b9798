from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.base.errors import SpecError
from mainstay.reliability.incident import EASING, OPEN, OVER, TRANSITIONS, Incident, IncidentSpec, Watchman

SPEC = IncidentSpec()


def exited(at: float, instance: str = "web-1", service: str = "web") -> dict[str, Any]:
    return {"fact": "InstanceExited", "at": at, "service": service, "instance": instance, "generation": 1}


def test_a_failed_request_now_and_then_is_no_incident() -> None:
    watchman = Watchman("web")

    for step in range(100):
        assert watchman.count(2.0 * step, 100, 1) is None

    assert watchman.incident is None


def test_two_of_two_that_failed_are_too_few_to_tell() -> None:
    assert Watchman("web").count(2.0, 2, 2) is None


def test_an_incident_from_its_beginning_to_its_end() -> None:
    watchman = Watchman("web")
    watchman.count(2.0, 100, 0)
    watchman.hear(exited(3.5))
    watchman.see(3.5, serves=True, whole=False)

    opened = watchman.count(4.0, 100, 50)

    assert opened is not None
    assert (opened.began, opened.detected, opened.blame) == (4.0, 3.5, "web-1")
    assert opened.because == "ended by itself"
    watchman.count(6.0, 100, 20)
    for step in range(8, 40, 2):
        watchman.count(float(step), 100, 0)
    assert watchman.incident is not None
    assert (watchman.incident.state, watchman.incident.mitigated, watchman.incident.recovered) == (
        EASING,
        6.0,
        None,
    )
    watchman.see(41.0, serves=True, whole=True)
    over = watchman.count(42.0, 100, 0)
    assert over is None or over.state is OVER
    assert watchman.incident is None


def test_it_was_recovered_when_all_was_back_and_not_when_that_was_known_to_last() -> None:
    watchman = Watchman("web")
    watchman.see(9.0, serves=True, whole=True)
    watchman.see(10.0, serves=False, whole=False)
    watchman.see(11.0, serves=True, whole=False)
    watchman.see(12.5, serves=True, whole=True)

    told = [watchman.see(13.0 + step, serves=True, whole=True) for step in range(40)]

    (over,) = (one for one in told if one is not None and one.state is OVER)
    assert (over.began, over.mitigated, over.recovered) == (10.0, 10.0, 12.5)


@pytest.mark.parametrize(("until", "mitigated"), [(60.0, 60.0), (0.0, 50.0)])
def test_one_that_went_on_when_its_watchman_was_lost_does_not_end_before_it_began(
    until: float, mitigated: float
) -> None:
    watchman = Watchman("web")
    watchman.resume(Incident(service="web", began=50.0), until)

    told = [watchman.see(100.0 + step, serves=True, whole=True) for step in range(40)]

    (over,) = (one for one in told if one is not None and one.state is OVER)
    assert (over.mitigated, over.recovered) == (mitigated, 100.0)


def test_a_clock_that_is_set_back_lets_none_end_before_it_began() -> None:
    watchman = Watchman("web")
    watchman.see(100.0, serves=False, whole=False)
    watchman.see(40.0, serves=False, whole=False)
    watchman.see(41.0, serves=True, whole=True)

    for now in range(42, 120):
        over = watchman.see(float(now), serves=True, whole=True)
        if over is not None and over.state is OVER:
            break

    assert over is not None
    assert over.mitigated == over.began == 100.0


def test_nobody_serving_is_an_incident_without_a_request() -> None:
    watchman = Watchman("web")

    opened = watchman.see(10.0, serves=False, whole=False)

    assert opened is not None
    assert (opened.state, opened.began, opened.failed) == (OPEN, 10.0, 0)
    assert watchman.see(11.0, serves=False, whole=False) is None
    watchman.see(15.0, serves=True, whole=True)
    assert watchman.incident is not None


def test_what_flaps_is_one_incident() -> None:
    watchman, changes = Watchman("web"), []
    for step in range(60):
        at = 2.0 * step
        down = step % 10 < 3 and step < 40
        changes += filter(
            None,
            [
                watchman.see(at, serves=not down, whole=not down),
                watchman.count(at, 10, 10 if down else 0),
            ],
        )

    assert {one.began for one in changes} == {0.0}
    assert [one for one in changes if one.state is OVER][-1].failed == 4 * 3 * 10


def test_a_zone_is_blamed_for_what_failed_in_it() -> None:
    watchman = Watchman("web")
    watchman.hear(exited(1.0, "web-1"))
    watchman.hear(exited(1.1, "web-3"))
    watchman.hear({"fact": "ZoneShunned", "at": 1.2, "service": "web", "zone": "a", "until": 9.0})

    opened = watchman.see(1.3, serves=False, whole=False)

    assert opened is not None
    assert (opened.blame, opened.detected) == ("zone a", 1.0)


def test_what_broke_long_before_or_elsewhere_is_not_blamed() -> None:
    watchman = Watchman("web")
    watchman.hear(exited(1.0))
    watchman.hear(exited(99.0, service="api"))
    watchman.hear(
        {
            "fact": "HealthChanged",
            "at": 99.5,
            "service": "web",
            "instance": "web-2",
            "before": "down",
            "after": "up",
        }
    )

    opened = watchman.see(100.0, serves=False, whole=False)

    assert opened is not None
    assert (opened.blame, opened.detected) == ("", None)


def test_an_incident_comes_back_from_where_it_was_kept() -> None:
    incident = Incident(
        service="web", began=1.0, state=EASING, mitigated=2.0, failed=3, requests=9, drill=True
    )

    assert Incident.read(incident.record()) == incident


@pytest.mark.parametrize(
    "wrong", [{"share": 0.0}, {"share": 1.1}, {"least": 0}, {"window": 0.0}, {"quiet": 0.0}]
)
def test_a_spec_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SpecError):
        IncidentSpec(**wrong)


steps = st.lists(
    st.tuples(
        st.integers(1, 40), st.integers(0, 50), st.floats(0, 1), st.booleans(), st.booleans(), st.booleans()
    ),
    max_size=60,
)


@given(steps)
def test_whatever_happens_it_moves_along_its_table_and_counts_no_request_twice(
    script: list[tuple[int, int, float, bool, bool, bool]],
) -> None:
    watchman, now, told = Watchman("web"), 0.0, []
    for gap, requests, share, serves, whole, dies in script:
        now += gap
        if dies:
            watchman.hear(exited(now))
        told.append(watchman.see(now, serves=serves, whole=serves and whole))
        told.append(watchman.count(now, requests, int(share * requests)))

    changes = [one for one in told if one is not None]
    for before, after in pairwise(changes):
        if before.began == after.began and before.state is not after.state:
            assert (before.state, after.state) in {(edge[0], after) for edge, after in TRANSITIONS.items()}
    over = [one for one in changes if one.state is OVER]
    assert len({one.began for one in over}) == len(over)
    assert sum(one.failed for one in over) <= sum(int(share * requests) for _, requests, share, *_ in script)
    assert all(one.mitigated is not None and one.mitigated >= one.began for one in over)
    assert all(one.recovered is not None for one in over)
