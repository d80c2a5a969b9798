import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.base.dice import Dice
from mainstay.base.facts import InstanceEjected
from mainstay.base.outcome import CANCELLED, FAILED, OK, REFUSED, RESET, STALE, TIMEOUT
from mainstay.redundancy.health import Health
from mainstay.redundancy.instance import Instance
from mainstay.redundancy.outlier import OutlierSpec
from mainstay.redundancy.peers import stands_out
from mainstay.redundancy.pool import Pool, PoolSpec


class Traffic:
    """A pool under steady traffic, as its observer tells it."""

    def __init__(self, count, **spec):
        self.facts = []
        self.pool = Pool(PoolSpec(outlier=OutlierSpec(**spec)), "web", Dice(5), self.facts.append)
        self.members = [self.life(n) for n in range(count)]
        self.pool.replace(0.0, self.members)
        self.now = 100.0

    @staticmethod
    def life(number, generation=1):
        return Instance("web", f"web-{number}", generation, "127.0.0.1", 1, health=Health(None))

    def go(self, rounds, *scripts):
        """Let each member have an outcome in each round; a script is repeated, and no member waits for another."""
        for turn in range(rounds):
            self.now += 0.01
            for member, script in zip(self.members, scripts, strict=True):
                self.pool.observe(self.now, member, script[turn % len(script)])

    def answer(self, seconds, *times, gap=0.05):
        """Let each member give good answers for so long; its times are repeated."""
        for turn in range(int(seconds / gap)):
            self.now += gap
            for member, script in zip(self.members, times, strict=True):
                self.pool.observe(self.now, member, OK, script[turn % len(script)])

    def out(self):
        return [fact.instance for fact in self.facts if isinstance(fact, InstanceEjected)]

    def why(self):
        return {fact.because for fact in self.facts if isinstance(fact, InstanceEjected)}


WELL = [OK]
THIRD = [OK, OK, FAILED]


@pytest.mark.parametrize("count", [2, 3, 5])
def test_one_that_fails_a_third_of_its_requests_is_ejected_from_a_pool_of_any_size(count):
    traffic = Traffic(count)

    traffic.go(80, THIRD, *[WELL] * (count - 1))

    assert traffic.out() == ["web-0"]
    assert traffic.why() == {"errors"}


@pytest.mark.parametrize("outcome", [REFUSED, RESET, TIMEOUT, FAILED])
def test_every_failure_that_is_charged_counts(outcome):
    traffic = Traffic(2)

    traffic.go(80, [OK, outcome], WELL)

    assert traffic.out() == ["web-0"]


@pytest.mark.parametrize("outcome", [STALE, CANCELLED])
def test_what_proves_nothing_against_an_instance_never_counts(outcome):
    traffic = Traffic(2)

    traffic.go(500, [OK, outcome], WELL)

    assert traffic.out() == []


@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize("script", [THIRD, [OK, FAILED], [FAILED, FAILED, FAILED, OK]])
def test_when_all_fail_alike_it_is_not_the_instance(count, script):
    traffic = Traffic(count)

    traffic.go(1000, *[script] * count)

    assert traffic.out() == []


def test_one_that_fails_less_than_the_share_that_is_borne_stays():
    traffic = Traffic(2)

    traffic.go(1000, [OK] * 12 + [FAILED], WELL)

    assert traffic.out() == []


def test_one_that_fails_not_twice_as_much_as_the_others_stays():
    traffic = Traffic(2)

    traffic.go(1000, [OK, FAILED], [OK, OK, FAILED])

    assert traffic.out() == []


def test_below_the_minimum_nothing_is_made_of_a_share():
    traffic = Traffic(3, minimum=60)

    traffic.go(59, [OK, FAILED], WELL, WELL)
    early = traffic.out()
    traffic.go(3, [OK, FAILED], WELL, WELL)

    assert early == []
    assert traffic.out() == ["web-0"]


def test_without_others_to_be_held_against_nobody_stands_out():
    traffic = Traffic(2)

    traffic.go(400, [OK, FAILED], [CANCELLED])

    assert traffic.out() == []


def test_what_went_well_before_hides_what_goes_wrong_now_for_half_a_window_at_most():
    traffic = Traffic(3, window=4.0)
    traffic.go(1000, WELL, WELL, WELL)
    began = traffic.now

    while not traffic.out():
        traffic.go(1, [FAILED] if int(traffic.now * 100) % 3 == 0 else WELL, WELL, WELL)

    assert traffic.now - began < 2.0


def test_what_is_longer_ago_than_the_window_is_forgotten():
    traffic = Traffic(2, window=1.0, minimum=20)

    for _ in range(30):
        traffic.go(4, [OK, OK, OK, FAILED], WELL)
        traffic.now += 2.0

    assert traffic.out() == []


def test_without_the_share_an_instance_that_has_good_answers_in_between_stays():
    traffic = Traffic(2, errors=None)

    traffic.go(1000, [OK, FAILED], WELL)

    assert traffic.out() == []


def test_with_an_ejection_all_that_was_known_is_forgotten_and_it_may_return():
    traffic = Traffic(3)
    traffic.go(80, THIRD, WELL, WELL)
    assert traffic.out() == ["web-0"]

    traffic.now = traffic.members[0].ejected_until
    traffic.go(500, WELL, WELL, WELL)

    assert traffic.out() == ["web-0"]
    assert traffic.members[0] in traffic.pool.usable(traffic.now)


def returned(count=3):
    """Give traffic to one that was ejected for its errors and is back."""
    traffic = Traffic(count)
    while not traffic.out():
        traffic.go(3, THIRD, *[WELL] * (count - 1))
    traffic.now = traffic.members[0].ejected_until
    traffic.pool.usable(traffic.now)
    return traffic


def test_one_that_is_back_and_fails_again_is_ejected_for_that_alone_and_for_longer():
    traffic = returned()
    traffic.go(20, [CANCELLED], WELL, WELL)

    traffic.go(3, [OK, OK, FAILED], WELL, WELL)

    assert traffic.out() == ["web-0", "web-0"]
    assert traffic.members[0].ejected_until - traffic.now == pytest.approx(2.0, abs=0.3)


def test_one_that_is_back_and_has_answered_well_for_a_while_is_trusted():
    traffic = returned()

    traffic.go(25, WELL, WELL, WELL)
    traffic.go(1, [FAILED], WELL, WELL)

    assert traffic.out() == ["web-0"]


def test_one_that_is_back_and_fails_as_the_others_do_by_now_is_not_ejected_for_it():
    traffic = returned()

    traffic.go(20, [CANCELLED], [OK, OK, OK, FAILED], [OK, OK, OK, FAILED])
    traffic.go(60, [OK, OK, OK, FAILED], [OK, OK, OK, FAILED], [OK, OK, OK, FAILED])

    assert traffic.out() == ["web-0"]


def test_a_new_life_is_not_held_against_what_the_former_did():
    traffic = Traffic(2, keep=1.0)
    traffic.go(200, THIRD, WELL)

    traffic.members[0] = traffic.life(0, generation=2)
    traffic.pool.replace(traffic.now, traffic.members)
    traffic.go(5, [FAILED], WELL)

    assert traffic.pool._peers.bad == 5
    assert traffic.members[0].outlier.bad == 5


def test_late_failures_of_a_life_that_is_gone_make_nobody_else_look_better():
    traffic = Traffic(3)
    gone = traffic.members[2]
    traffic.members[2] = traffic.life(2, generation=2)
    traffic.pool.replace(traffic.now, traffic.members)

    for _ in range(100):
        traffic.pool.observe(traffic.now, gone, RESET)
    traffic.go(80, THIRD, WELL, WELL)

    assert traffic.out() == ["web-0"]


def test_by_another_spec_shares_are_judged_from_now_on():
    traffic = Traffic(2, errors=None)
    traffic.go(200, THIRD, WELL)

    traffic.pool.configure(traffic.now, PoolSpec(outlier=OutlierSpec()))
    traffic.go(100, THIRD, WELL)

    assert traffic.out() == ["web-0"]


# --- slow ones ---

FAST = [0.01]
SLOW = [0.3]


@pytest.mark.parametrize("count", [2, 3, 5])
def test_one_whose_answers_take_far_longer_is_ejected_from_a_pool_of_any_size(count):
    traffic = Traffic(count)

    traffic.answer(8, SLOW, *[FAST] * (count - 1))

    assert traffic.out() == ["web-0"]
    assert traffic.why() == {"slow"}


@pytest.mark.parametrize("count", [2, 3, 5])
def test_when_all_are_slow_it_is_not_the_instance(count):
    traffic = Traffic(count)
    traffic.answer(8, *[FAST] * count)

    traffic.answer(30, *[[3.0]] * count)

    assert traffic.out() == []


@pytest.mark.parametrize("times", [[0.049], [0.109]])
def test_one_that_is_slower_by_little_stays(times):
    traffic = Traffic(2)

    traffic.answer(30, times, FAST)

    assert traffic.out() == []


def test_one_that_is_slower_by_much_and_not_many_times_stays():
    traffic = Traffic(2)

    traffic.answer(30, [4.9], [1.0])

    assert traffic.out() == []


def test_where_every_second_request_is_slow_everywhere_nobody_is_ejected():
    dice = Dice(11)
    traffic = Traffic(3)

    traffic.answer(300, *[[0.001 if dice.random() < 0.5 else 1.0 for _ in range(1009)] for _ in range(3)])

    assert traffic.out() == []


def test_slowness_that_goes_past_within_a_stretch_ejects_nobody():
    traffic = Traffic(2)
    traffic.answer(8, FAST, FAST)

    for _ in range(10):
        traffic.answer(0.5, SLOW, FAST)
        traffic.answer(7.3, FAST, FAST)

    assert traffic.out() == []


def test_the_slowest_of_several_goes_first_and_half_of_the_pool_stays():
    traffic = Traffic(5)

    traffic.answer(8, SLOW, [0.5], FAST, FAST, FAST)

    assert traffic.out() == ["web-1", "web-0"]


def test_one_that_is_fast_makes_the_others_no_slow_ones():
    traffic = Traffic(3)

    traffic.answer(30, SLOW, SLOW, [0.0001])

    assert traffic.out() == []


def test_one_that_is_asked_seldom_because_it_is_slow_is_found_all_the_same():
    traffic = Traffic(3)

    for _ in range(40):
        for member in traffic.members[1:]:
            for _ in range(20):
                traffic.pool.observe(traffic.now, member, OK, 0.01)
        traffic.now += 1.0
        traffic.pool.observe(traffic.now, traffic.members[0], OK, 2.0)

    assert "web-0" in traffic.out()


def test_few_answers_say_nothing_of_the_time_they_take():
    traffic = Traffic(2)

    for _ in range(10):
        for _ in range(7):
            traffic.pool.observe(traffic.now, traffic.members[0], OK, 3.0)
        for _ in range(20):
            traffic.pool.observe(traffic.now, traffic.members[1], OK, 0.01)
        traffic.now += 31.0

    assert traffic.out() == []


def test_without_the_comparison_slow_ones_stay():
    traffic = Traffic(2, slow=None)

    traffic.answer(30, [3.0], FAST)

    assert traffic.out() == []


def test_a_slow_one_that_returns_is_judged_by_new_answers():
    traffic = Traffic(2)
    traffic.answer(8, SLOW, FAST)
    assert traffic.out() == ["web-0"]

    traffic.answer(60, FAST, FAST)

    assert traffic.out() == ["web-0"]
    assert traffic.members[0] in traffic.pool.usable(traffic.now)


@given(st.lists(st.floats(0.0001, 10.0), min_size=1, max_size=7), st.integers(2, 5))
def test_all_that_take_alike_stay(times, count):
    traffic = Traffic(count)

    traffic.answer(15, *[times] * count, gap=0.2)

    assert traffic.out() == []


@pytest.mark.parametrize("count", [500, 501, 1200])
def test_in_a_pool_of_thousands_all_are_looked_at_some_hundreds_at_a_time(count):
    traffic = Traffic(count)
    for _ in range(3):
        for _ in range(10):
            for member in traffic.members:
                traffic.pool.observe(traffic.now, member, OK, 0.5 if member is traffic.members[7] else 0.01)
        traffic.now += 2.5

    for _ in range(10):
        traffic.pool.observe(traffic.now, traffic.members[0], OK, 0.01)
    assert traffic.out() == ["web-7"]
    assert all(member.outlier.good_before >= 8 for member in traffic.members if member.name != "web-7")


# --- the measure ---


def test_ten_of_thirty_stand_out_against_none_of_thirty_and_three_of_ten_do_not():
    assert stands_out(14, 30, 0, 30)
    assert not stands_out(3, 10, 0, 10)
    assert not stands_out(1, 1, 0, 1)


@given(st.integers(1, 10_000), st.integers(1, 10_000), st.floats(0, 1))
def test_an_equal_share_never_stands_out(count, others, share):
    marked, others_marked = int(share * count), int(share * others)
    if marked / count <= others_marked / others:
        assert not stands_out(marked, count, others_marked, others)


@given(st.integers(0, 50), st.integers(1, 50), st.integers(0, 50), st.integers(1, 50))
def test_of_two_at_most_one_stands_out(marked, good, others_marked, others_good):
    count, others = marked + good, others_marked + others_good

    both = (
        stands_out(marked, count, others_marked, others),
        stands_out(others_marked, others, marked, count),
    )

    assert both != (True, True)


outcomes = st.lists(
    st.sampled_from([OK, OK, OK, REFUSED, RESET, TIMEOUT, FAILED, STALE, CANCELLED]), min_size=1
)


@given(st.lists(outcomes, min_size=1, max_size=5), st.integers(1, 300), st.sampled_from([0.0, 0.5]))
def test_whatever_they_answer_the_last_one_is_never_ejected(scripts, rounds, keep):
    traffic = Traffic(len(scripts), minimum=5, keep=keep)

    for _ in range(rounds):
        traffic.go(1, *scripts)

        assert any(member.ejected_until is None for member in traffic.members)
        assert not traffic.pool.panicking


@given(outcomes, st.integers(2, 5))
def test_all_that_answer_alike_stay_unless_nothing_but_failures_comes(script, count):
    traffic = Traffic(count, refused=10**6, reset=10**6, timeout=10**6, failed=10**6)

    traffic.go(300, *[script] * count)

    assert traffic.out() == []


@given(st.lists(outcomes, min_size=2, max_size=5))
def test_whoever_is_ejected_returns(scripts):
    traffic = Traffic(len(scripts), minimum=5, keep=0.0)
    traffic.go(100, *scripts)

    last = max((member.ejected_until or 0.0) for member in traffic.members)

    assert set(traffic.pool.usable(last)) == set(traffic.members)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from([OK, FAILED, RESET]), st.floats(0, 1)), max_size=80)
)
def test_the_sums_are_those_of_the_members(script):
    traffic = Traffic(4, failed=2, reset=2)
    for place, outcome, gap in script:
        traffic.now += gap
        traffic.pool.observe(traffic.now, traffic.members[place], outcome)

    known = [member.outlier for member in traffic.members if member.outlier is not None]

    peers = traffic.pool._peers
    assert (peers.good, peers.bad) == (sum(one.good for one in known), sum(one.bad for one in known))
    assert peers.good_before == sum(one.good_before for one in known)
    assert peers.bad_before == sum(one.bad_before for one in known)
