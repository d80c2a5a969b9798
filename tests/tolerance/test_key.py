from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from mainstay.base.errors import SpecError
from mainstay.tolerance.key import (
    ANSWER,
    ANSWERED,
    DOUBT,
    DOUBTFUL,
    EXPIRE,
    FREE,
    OUTGROW,
    OUTGROWN,
    RELEASE,
    RUNNING,
    TAKE,
    TRANSITIONS,
    Event,
    Key,
    KeySpec,
    State,
    Verdict,
)

KEEP = 100.0


def taken(fingerprint=b"a", holder="w/1"):
    key = Key()
    key.ask(0.0, fingerprint, holder)
    return key


def settled(event):
    key = taken()
    key.settle(1.0, "w/1", event, KEEP)
    return key


def test_the_defaults_keep_short_answers_for_a_day():
    spec = KeySpec()

    assert (spec.keep, spec.answer, spec.body, spec.size) == (86400.0, 2**18, 2**20, 2**30)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"keep": 0}, "keep must be above 0, not 0"),
        ({"answer": -1}, "answer must be at least 0, not -1"),
        ({"body": -1}, "body must be at least 0, not -1"),
        ({"size": 0}, "size must be above 0, not 0"),
    ],
)
def test_a_spec_that_cannot_be_is_refused(wrong, message):
    with pytest.raises(SpecError) as refusal:
        KeySpec(**wrong)

    assert str(refusal.value) == message


def test_the_first_request_runs_and_holds_the_key_for_as_long_as_it_takes():
    key = Key()

    verdict = key.ask(5.0, b"a", "w/1")

    assert verdict is Verdict.RUN
    assert (key.state, key.fingerprint, key.holder, key.until) == (RUNNING, b"a", "w/1", inf)
    assert key.ask(1e9, b"a", "w/2") is Verdict.WAIT


@pytest.mark.parametrize(
    ("event", "verdict"),
    [
        (ANSWER, Verdict.REPLAY),
        (OUTGROW, Verdict.LOST),
        (DOUBT, Verdict.DOUBT),
        (RELEASE, Verdict.RUN),
    ],
)
def test_what_came_of_it_decides_what_becomes_of_the_next(event, verdict):
    key = settled(event)

    assert key.ask(2.0, b"a", "w/2") is verdict


@pytest.mark.parametrize("event", [None, ANSWER, OUTGROW, DOUBT])
def test_another_request_is_another_one_however_far_the_first_has_come(event):
    key = taken() if event is None else settled(event)

    assert key.ask(2.0, b"b", "w/2") is Verdict.OTHER
    assert key.fingerprint == b"a"


@pytest.mark.parametrize("event", [ANSWER, OUTGROW, DOUBT])
def test_it_is_known_until_its_time_is_over(event):
    key = settled(event)

    assert key.ask(1.0 + KEEP - 0.001, b"b", "w/2") is Verdict.OTHER
    assert key.ask(1.0 + KEEP, b"b", "w/2") is Verdict.RUN
    assert (key.fingerprint, key.holder, key.until) == (b"b", "w/2", inf)


def test_a_key_that_is_given_back_is_as_if_it_had_never_been():
    key = settled(RELEASE)

    assert (key.state, key.fingerprint, key.holder, key.until) == (FREE, b"", "", inf)


@pytest.mark.parametrize("event", [ANSWER, OUTGROW, DOUBT, RELEASE])
def test_nobody_but_its_holder_can_say_what_came_of_it(event):
    key = taken()

    assert key.settle(1.0, "w/2", event, KEEP) is False
    assert (key.state, key.until) == (RUNNING, inf)


@pytest.mark.parametrize("event", [ANSWER, OUTGROW, DOUBT, RELEASE])
def test_what_has_been_said_stays_said(event):
    key = settled(ANSWER)

    assert key.settle(2.0, "w/1", event, KEEP) is False
    assert (key.state, key.until) == (ANSWERED, 1.0 + KEEP)


@pytest.mark.parametrize("event", [TAKE, EXPIRE])
def test_what_does_not_come_of_a_request_is_not_heard(event):
    key = taken()

    assert key.settle(1.0, "w/1", event, KEEP) is False
    assert key.state is RUNNING


def test_the_holder_is_told_that_it_was_its_own():
    assert taken().settle(1.0, "w/1", ANSWER, KEEP) is True


def test_every_move_is_in_the_table():
    assert set(TRANSITIONS.values()) == set(State)
    assert {event for _, event in TRANSITIONS} == set(Event)
    assert {state for state, event in TRANSITIONS if event is EXPIRE} == {ANSWERED, OUTGROWN, DOUBTFUL}


@given(st.sampled_from([ANSWER, OUTGROW, DOUBT]), st.floats(0.001, 1e6), st.floats(0.0, 1e6))
def test_it_is_kept_for_exactly_so_long(event, keep, after):
    key = taken()
    key.settle(0.0, "w/1", event, keep)

    verdict = key.ask(after, b"a", "w/2")

    assert (verdict is Verdict.RUN) is (after >= keep)


class Writes(RuleBasedStateMachine):
    """Requests of several kinds with one key, at several workers that settle late, twice, or never."""

    def __init__(self):
        super().__init__()
        self.key = Key()
        self.now = 0.0
        self.count = 0
        self.runs = {}
        # Of the first request, as long as it is known: what it was, and when it may have been carried out last.
        self.carried_out = None

    @rule(fingerprint=st.sampled_from([b"a", b"b"]))
    def ask(self, fingerprint):
        self.count += 1
        name = f"w/{self.count}"
        verdict = self.key.ask(self.now, fingerprint, name)
        if verdict is Verdict.RUN:
            # Nothing of it may have been carried out within the time for which that is promised to be known.
            assert self.carried_out is None or self.now >= self.carried_out + KEEP
            assert not self.runs
            self.runs[name] = fingerprint
            self.carried_out = None
        elif verdict is not Verdict.OTHER and self.runs:
            assert verdict is Verdict.WAIT

    @rule(event=st.sampled_from([ANSWER, OUTGROW, DOUBT, RELEASE]))
    def settle(self, event):
        if not self.runs:
            return
        name, _ = self.runs.popitem()
        assert self.key.settle(self.now, name, event, KEEP)
        if event is not RELEASE:
            self.carried_out = self.now

    @rule(number=st.integers(0, 50), event=st.sampled_from(list(Event)))
    def meddle(self, number, event):
        name = f"w/{number}"
        if name not in self.runs:
            assert not self.key.settle(self.now, name, event, KEEP)

    @rule(by=st.sampled_from([0.0, 1.0, KEEP / 2, KEEP]))
    def pass_time(self, by):
        self.now += by

    @invariant()
    def it_is_held_as_long_as_somebody_runs(self):
        assert (self.key.state is RUNNING) is bool(self.runs)
        assert (self.key.until == inf) is (self.key.state in (FREE, RUNNING))


TestWrites = Writes.TestCase
