import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.base.errors import SpecError
from mainstay.redundancy.health import (
    CLEARED,
    DOWN,
    DRAINED,
    DRAINING,
    EXCUSED,
    FELL,
    ROSE,
    SLIPPED,
    SUSPECT,
    TRANSITIONS,
    UNKNOWN,
    UP,
    Health,
    HealthSpec,
)

SPEC = HealthSpec(down_after=3, up_after=2)


def test_the_defaults_are_a_check_a_second_and_two_failures():
    spec = HealthSpec()

    assert (spec.every, spec.timeout, spec.down_after, spec.up_after) == (1.0, 0.5, 2, 1)


@pytest.mark.parametrize("name", ["every", "timeout", "down_after", "up_after"])
def test_no_number_of_a_spec_may_be_nothing(name):
    with pytest.raises(SpecError) as refusal:
        HealthSpec(**{name: 0})

    assert str(refusal.value) == f"{name} must be above 0, not 0"


def test_a_new_one_is_unknown_and_not_usable():
    health = Health(SPEC)

    assert health.state is UNKNOWN
    assert not health.usable
    assert health.because is None
    assert health.since is None


def test_its_first_success_takes_it_up_whatever_the_threshold():
    health = Health(SPEC)

    changed = health.passed(4.0)

    assert changed is True
    assert (health.state, health.usable, health.because, health.since) == (UP, True, ROSE, 4.0)


def test_one_that_is_known_to_be_up_starts_up():
    health = Health(SPEC, known_up=True)

    assert health.state is UP
    assert health.usable


def test_success_while_up_changes_nothing():
    health = Health(SPEC, known_up=True)

    assert health.passed(1.0) is False
    assert health.since is None


def test_a_new_one_that_never_passes_goes_down_at_the_threshold():
    health = Health(SPEC)

    news = [health.failed(1.0), health.failed(2.0), health.state, health.failed(3.0)]

    assert news == [False, False, UNKNOWN, True]
    assert (health.state, health.because, health.since) == (DOWN, FELL, 3.0)


def test_from_up_it_is_suspect_first_and_down_at_the_threshold():
    health = Health(SPEC, known_up=True)

    seen = [(health.failed(t), health.state, health.usable, health.because) for t in (1.0, 2.0, 3.0)]

    assert seen == [
        (True, SUSPECT, True, SLIPPED),
        (False, SUSPECT, True, SLIPPED),
        (True, DOWN, False, FELL),
    ]


def test_with_a_threshold_of_one_there_is_no_suspicion():
    health = Health(HealthSpec(down_after=1), known_up=True)

    changed = health.failed(1.0)

    assert changed is True
    assert (health.state, health.because) == (DOWN, FELL)


def test_a_suspect_that_passes_is_up_and_its_failures_are_forgotten():
    health = Health(SPEC, known_up=True)
    health.failed(1.0)
    health.failed(2.0)

    changed = health.passed(3.0)

    assert changed is True
    assert (health.state, health.because) == (UP, CLEARED)
    assert [health.failed(4.0), health.failed(5.0), health.state] == [True, False, SUSPECT]


def test_from_down_it_takes_successes_in_a_row():
    health = Health(SPEC, known_up=True)
    for now in (1.0, 2.0, 3.0):
        health.failed(now)

    news = [health.passed(4.0), health.failed(5.0), health.passed(6.0), health.state, health.passed(7.0)]

    assert news == [False, False, False, DOWN, True]
    assert (health.state, health.usable, health.because) == (UP, True, ROSE)


def test_after_it_came_back_it_falls_no_faster_than_before():
    health = Health(SPEC, known_up=True)
    for now in (1.0, 2.0, 3.0):
        health.failed(now)
    health.passed(4.0)
    health.passed(5.0)

    news = [health.failed(6.0), health.failed(7.0), health.failed(8.0)]

    assert news == [True, False, True]


def test_draining_is_final():
    health = Health(SPEC, known_up=True)

    changed = health.drain(1.0)

    assert changed is True
    assert (health.state, health.usable, health.because) == (DRAINING, False, DRAINED)
    assert not any([health.drain(2.0), health.passed(2.0), health.failed(2.0), health.failed(2.0)])
    assert health.since == 1.0


def test_switched_off_it_is_up_until_it_is_drained():
    health = Health(None)

    news = [health.passed(1.0), health.failed(2.0), health.failed(3.0), health.failed(4.0)]

    assert news == [False] * 4
    assert (health.state, health.usable) == (UP, True)
    assert health.drain(5.0) is True
    assert health.state is DRAINING


NEWS = {"passed": Health.passed, "failed": Health.failed, "drain": Health.drain}


@given(
    st.builds(HealthSpec, down_after=st.integers(1, 3), up_after=st.integers(1, 3)),
    st.booleans(),
    st.lists(st.sampled_from(["passed", "passed", "failed", "failed", "failed", "drain"]), max_size=40),
)
def test_whatever_happens_it_moves_only_along_its_table(spec, known_up, script):
    health = Health(spec, known_up=known_up)

    for now, news in enumerate(script):
        before = health.state
        changed = NEWS[news](health, float(now))

        assert changed is (health.state is not before)
        assert health.usable is (health.state in {UP, SUSPECT})
        if changed:
            assert TRANSITIONS[before, health.because] is health.state
            assert health.since == now


def test_every_move_of_the_table_can_be_made():
    scripts = ["", "p", "pf", "fff", "pfff"]
    seen = set()

    for script in scripts:
        for last in "pfd":
            for tail in ("", "p" * 2, "f" * 3, "d"):
                health = Health(SPEC)
                for letter in script + last + tail:
                    before = health.state
                    act = {"p": health.passed, "f": health.failed, "d": health.drain}[letter]
                    if act(0.0):
                        seen.add((before, health.because))
                before = health.state
                if health.configure(0.0, None):
                    seen.add((before, health.because))
    strict = Health(HealthSpec(down_after=1), known_up=True)
    strict.failed(0.0)
    seen.add((UP, strict.because))

    assert seen == set(TRANSITIONS)


def test_by_another_spec_the_failures_so_far_still_count():
    health = Health(HealthSpec(down_after=5), known_up=True)
    health.failed(1.0)
    health.failed(2.0)

    changed = health.configure(3.0, HealthSpec(down_after=3))

    assert changed is False
    assert health.state is SUSPECT
    assert health.failed(4.0) is True
    assert health.state is DOWN


@pytest.mark.parametrize("failures", [1, 3])
def test_who_is_no_longer_checked_is_up(failures):
    health = Health(SPEC, known_up=True)
    for now in range(failures):
        health.failed(float(now))

    changed = health.configure(5.0, None)

    assert changed is True
    assert (health.state, health.usable, health.because, health.since) == (UP, True, EXCUSED, 5.0)
    assert health.failed(6.0) is False


def test_who_is_draining_is_so_checked_or_not():
    health = Health(SPEC, known_up=True)
    health.drain(1.0)

    assert health.configure(2.0, None) is False
    assert health.state is DRAINING
