from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.base.dice import Dice
from mainstay.base.facts import ZoneRefilled, ZoneShunned
from mainstay.base.outcome import FAILED, REFUSED, RESET, TIMEOUT
from mainstay.redundancy.bond import Named
from mainstay.redundancy.health import Health, HealthSpec
from mainstay.redundancy.instance import Instance
from mainstay.redundancy.outlier import OutlierSpec
from mainstay.redundancy.pool import Pool, PoolSpec
from mainstay.redundancy.zone import shares, spread


def test_slots_go_round_the_zones_in_their_order():
    zones = spread(5, ["a", "b"])

    assert zones == ["a", "b", "a", "b", "a"]


def test_without_zones_every_slot_is_nowhere():
    zones = spread(2, [])

    assert zones == ["", ""]


@given(st.integers(0, 50), st.lists(st.text(min_size=1), min_size=1, max_size=7, unique=True))
def test_no_zone_has_more_than_one_slot_above_another(count, zones):
    spread_out = spread(count, zones)

    held = Counter(spread_out)
    assert len(spread_out) == count
    assert max(held[zone] for zone in zones) - min(held[zone] for zone in zones) <= 1


@given(st.integers(0, 50))
def test_scaling_up_moves_nobody(count):
    assert spread(count + 1, ["a", "b", "c"])[:count] == spread(count, ["a", "b", "c"])


# --- shares ---

weights = st.dictionaries(st.sampled_from("abcd"), st.floats(0.01, 100.0), min_size=1)


@given(weights, st.sampled_from(["a", "b", "z", ""]), st.floats(1.0, 10.0))
def test_the_shares_of_all_zones_are_one_and_nobody_has_less_than_nothing(usable, own, more):
    shared = shares(usable, own, usable.get(own, 1.0) * more)

    assert sum(shared.values()) == pytest.approx(1.0)
    assert all(share >= 0.0 for share in shared.values())
    assert shared.keys() == usable.keys()


@given(weights)
def test_without_an_own_zone_each_has_its_part_and_none_is_starved(usable):
    shared = shares(usable, "", 1.0)

    total = sum(usable.values())
    assert shared == {zone: pytest.approx(part / total) for zone, part in usable.items()}
    assert all(share > 0.0 for share in shared.values())


@given(weights, st.floats(1.01, 10.0))
def test_what_the_own_zone_lacks_the_others_get_by_what_they_have(usable, more):
    usable = usable | {"a": 2.0}

    shared = shares(usable, "a", 2.0 * more)

    others = {zone: part for zone, part in usable.items() if zone != "a"}
    if not others:
        assert shared == {"a": 1.0}
        return
    assert shared["a"] == pytest.approx(1 / more)
    for zone, part in others.items():
        assert shared[zone] == pytest.approx((1 - 1 / more) * part / sum(others.values()))


def test_a_whole_own_zone_has_all():
    assert shares({"a": 2.0, "b": 5.0}, "a", 2.0) == {"a": 1.0, "b": 0.0}


# --- zones that fail ---


class Stage:
    """Zones of so many instances each, `a-0`, `a-1` and so on, under traffic."""

    def __init__(self, zones="ab", each=3, own="", slow_start=0.0, **outlier):
        self.facts = []
        self.spec = PoolSpec(outlier=OutlierSpec(**outlier), zone=own, slow_start=slow_start)
        self.pool = Pool(self.spec, "web", Dice(2), self.facts.append)
        self.members = {f"{zone}-{n}": life(f"{zone}-{n}") for zone in zones for n in range(each)}
        self.now = 50.0
        self.pool.replace(self.now, self.members.values())

    def down(self, *names):
        for name in names:
            for _ in range(2):
                self.pool.failed(self.now, self.members[name])

    def up(self, *names):
        for name in names:
            self.pool.passed(self.now, self.members[name])

    def die(self, *names):
        self.pool.replace(self.now, [one for one in self.pool.members if one.name not in names])

    def reborn(self, *names):
        for name in names:
            self.members[name] = life(name, generation=self.members[name].generation + 1)
        staying = [one for one in self.pool.members if one.name not in names]
        self.pool.replace(self.now, [*staying, *(self.members[name] for name in names)])

    def refuse(self, *names):
        for name in names:
            for _ in range(2):
                self.pool.observe(self.now, self.members[name], REFUSED)

    def asked(self):
        """Give who is asked, out of many times."""
        return {self.pool.pick(self.now).name for _ in range(300)}

    def share(self, zone, times=4000):
        return sum(self.pool.pick(self.now).zone == zone for _ in range(times)) / times

    def told(self, kind):
        return [(fact.at, fact.zone) for fact in self.facts if isinstance(fact, kind)]


def life(name, generation=1):
    health = Health(HealthSpec(), known_up=True)
    return Instance("web", name, generation, "127.0.0.1", 1, health=health, zone=name[0])


EVIDENCE = ["down", "die", "refuse"]


@pytest.mark.parametrize("how", EVIDENCE)
def test_when_two_of_a_zone_fail_the_rest_of_it_is_asked_last_before_it_fails(how):
    stage = Stage()

    getattr(stage, how)("a-0")
    one = stage.asked()
    stage.now += 2.0
    getattr(stage, how)("a-1")

    assert "a-2" in one
    assert stage.asked() == {"b-0", "b-1", "b-2"}
    assert stage.told(ZoneShunned) == [(52.0, "a")]
    others = tuple(it for it in stage.members.values() if it.name[0] == "b")
    assert stage.pool.pick(stage.now, others).zone == "a"


def test_evidence_of_different_kinds_adds_up():
    stage = Stage()

    stage.refuse("a-0")
    stage.die("a-1")

    assert stage.asked() == {"b-0", "b-1", "b-2"}


@pytest.mark.parametrize("outcome", [RESET, TIMEOUT])
def test_lost_connections_and_silence_are_evidence(outcome):
    stage = Stage(reset=1, timeout=1)

    for name in ("a-0", "a-1"):
        stage.pool.observe(stage.now, stage.members[name], outcome)

    assert stage.told(ZoneShunned) == [(50.0, "a")]


def test_answers_of_5xx_are_no_evidence_against_a_zone():
    stage = Stage(failed=1)

    for name in ("a-0", "a-1"):
        stage.pool.observe(stage.now, stage.members[name], FAILED)

    assert "a-2" in stage.asked()
    assert stage.told(ZoneShunned) == []


def test_one_that_fails_again_and_again_is_still_one():
    stage = Stage()

    for _ in range(5):
        stage.die("a-0")
        stage.reborn("a-0")

    assert stage.told(ZoneShunned) == []


def test_failures_far_apart_have_no_common_cause():
    stage = Stage()

    stage.down("a-0")
    stage.now += 6.0
    stage.down("a-1")

    assert "a-2" in stage.asked()


def test_who_is_drained_has_not_died():
    stage = Stage()

    for name in ("a-0", "a-1"):
        stage.pool.drain(stage.now, stage.members[name])
    stage.die("a-0", "a-1")

    assert stage.told(ZoneShunned) == []


def test_failures_in_different_zones_shun_none():
    stage = Stage("abc")

    stage.down("a-0", "b-0", "c-0")

    assert stage.told(ZoneShunned) == []


def test_without_zones_nothing_is_shunned():
    stage = Stage()
    for one in stage.members.values():
        one.zone = ""

    stage.down("a-0", "a-1")

    assert "a-2" in stage.asked()


def test_switched_off_zones_make_no_difference():
    stage = Stage(zone=None)

    stage.down("a-0", "a-1")

    assert "a-2" in stage.asked()


def test_with_more_failures_asked_for_two_are_not_enough():
    stage = Stage(zone=3, each=4)

    stage.down("a-0", "a-1")
    two = stage.told(ZoneShunned)
    stage.down("a-2")

    assert two == []
    assert stage.told(ZoneShunned) == [(50.0, "a")]


def test_a_zone_that_the_others_cannot_stand_in_for_is_not_shunned():
    stage = Stage(each=2)
    stage.members |= {f"a-{n}": life(f"a-{n}") for n in range(2, 6)}
    stage.pool.replace(stage.now, stage.members.values())

    stage.down("a-0", "a-1")

    assert "a-2" in stage.asked()
    assert stage.told(ZoneShunned) == []


def test_when_every_zone_fails_it_is_no_zone_and_nobody_is_last():
    stage = Stage()

    stage.down("a-0", "a-1")
    first = stage.asked()
    stage.down("b-0", "b-1")

    assert first == {"b-0", "b-1", "b-2"}
    assert stage.asked() == {"a-2", "b-2"}
    assert stage.told(ZoneRefilled) == [(50.0, "a")]


def test_whoever_is_last_already_stands_in_for_nobody():
    stage = Stage("abc", each=4, keep=0.0)

    stage.down("a-0", "a-1", "b-0", "b-1")
    two = stage.asked()
    stage.down("c-0", "c-1")

    assert {name[0] for name in two} == {"c"}
    assert {name[0] for name in stage.asked()} == {"a", "b", "c"}
    assert len(stage.told(ZoneShunned)) == len(stage.told(ZoneRefilled)) == 2


def test_a_shunned_zone_is_told_and_none_of_it_is_up():
    stage = Stage()

    stage.down("a-0", "a-1")

    assert stage.pool.shunned == ["a"]
    assert {one.name for one in stage.pool.up(stage.now)} == {"b-0", "b-1", "b-2"}
    assert len(stage.pool.usable(stage.now)) == 4
    assert {one.name for one in stage.pool.up(stage.now + 11.0)} == {"a-2", "b-0", "b-1", "b-2"}
    assert stage.pool.shunned == []


def test_what_is_tied_stays_in_a_shunned_zone():
    stage = Stage()

    stage.down("a-0", "a-1")

    assert stage.pool.holds(stage.now + 11.0, Named("a-2"))
    assert stage.pool.pick(stage.now, (), Named("a-2")).name == "a-2"


@pytest.mark.parametrize(("how", "back"), [("down", "up"), ("die", "reborn")])
def test_a_zone_that_is_back_is_refilled_by_and_by(how, back):
    stage = Stage()
    getattr(stage, how)("a-0", "a-1")

    stage.now += 1.0
    getattr(stage, back)("a-0", "a-1")
    shares = []
    for seconds in (0.0, 1.0, 1.5, 2.5):
        stage.now += seconds
        shares.append(stage.share("a"))

    assert shares == [pytest.approx(part / (1 + part), abs=0.03) for part in (0.1, 0.28, 0.55, 1.0)]
    assert stage.told(ZoneRefilled) == [(51.0, "a")]


def test_a_zone_in_which_nothing_else_fails_is_refilled_in_the_end():
    stage = Stage()
    stage.down("a-0", "a-1")
    stage.now += 9.0
    before = stage.asked()

    stage.now += 1.5
    first = stage.share("a")
    stage.now += 5.0

    assert before == {"b-0", "b-1", "b-2"}
    assert 0.0 < first < 0.2
    assert stage.share("a") == pytest.approx(0.25, abs=0.03)


def test_a_zone_in_which_more_fails_is_shunned_for_longer():
    stage = Stage(each=4)
    stage.down("a-0", "a-1")
    stage.now += 9.0

    stage.down("a-2")
    stage.now += 9.0

    assert {name[0] for name in stage.asked()} == {"b"}


def test_a_zone_may_fail_again_while_it_is_refilled():
    stage = Stage()
    stage.down("a-0", "a-1")
    stage.up("a-0", "a-1")
    assert stage.share("a") > 0.0

    stage.down("a-0", "a-1")

    assert stage.asked() == {"b-0", "b-1", "b-2"}
    assert len(stage.told(ZoneShunned)) == 2


def test_an_ejection_that_is_over_is_no_sign_of_life():
    stage = Stage(base=1.0, cap=1.0)
    stage.refuse("a-0", "a-1")

    stage.now += 2.0

    assert stage.asked() == {"b-0", "b-1", "b-2"}


# --- the own zone ---


def test_traffic_stays_in_the_own_zone_while_it_is_whole():
    stage = Stage(own="a")

    assert stage.asked() == {"a-0", "a-1", "a-2"}


def test_what_is_tried_again_goes_to_another_zone():
    stage = Stage(own="a")

    again = {stage.pool.pick(stage.now, (stage.members["a-0"],)).zone for _ in range(50)}

    assert again == {"b"}


@pytest.mark.parametrize("how", EVIDENCE)
def test_what_the_own_zone_lacks_goes_elsewhere(how):
    stage = Stage(own="a")

    getattr(stage, how)("a-0")

    assert stage.share("a") == pytest.approx(2 / 3, abs=0.03)
    assert {name for name in stage.asked() if name[0] == "a"} == {"a-1", "a-2"}


def test_when_the_own_zone_is_gone_everything_goes_elsewhere_and_comes_back_by_and_by():
    stage = Stage(own="a")
    stage.die("a-0", "a-1", "a-2")
    away = stage.share("a")

    stage.reborn("a-0", "a-1", "a-2")
    shares = []
    for seconds in (0.0, 2.5, 2.5):
        stage.now += seconds
        shares.append(stage.share("a"))

    assert away == 0.0
    assert shares == [pytest.approx(part, abs=0.03) for part in (0.1, 0.55, 1.0)]


def test_an_instance_of_the_own_zone_that_does_not_come_back_is_missed_for_a_minute():
    stage = Stage(own="a")
    stage.die("a-0")

    stage.now += 59.0
    before = stage.share("a")
    stage.now += 2.0

    assert before == pytest.approx(2 / 3, abs=0.03)
    assert stage.share("a") == 1.0


def test_one_that_was_taken_away_on_purpose_is_not_missed():
    stage = Stage(own="a")

    stage.pool.drain(stage.now, stage.members["a-0"])
    stage.die("a-0")

    assert stage.share("a") == 1.0


def test_one_that_starts_slowly_takes_its_part_of_the_own_zones_share_slowly():
    stage = Stage(own="a", each=2, slow_start=10.0)
    stage.now += 20.0
    stage.die("a-0")
    stage.reborn("a-0")

    shares = []
    for _ in range(3):
        shares.append(stage.share("a"))
        stage.now += 5.0

    assert shares == [pytest.approx(part, abs=0.03) for part in (0.55, 0.775, 1.0)]


def test_an_own_zone_in_which_nobody_is_makes_no_difference():
    stage = Stage(own="z")

    assert stage.share("a") == pytest.approx(0.5, abs=0.03)


def test_when_the_own_zone_is_all_there_is_it_has_all():
    stage = Stage("a", own="a")
    stage.down("a-0")

    assert stage.asked() == {"a-1", "a-2"}


def test_in_panic_zones_make_no_difference():
    stage = Stage(own="a", each=1)

    stage.down("a-0", "b-0")

    assert stage.asked() == {"a-0", "b-0"}


def test_another_own_zone_is_preferred_from_then_on():
    stage = Stage(own="a")

    stage.pool.configure(stage.now, PoolSpec(zone="b"))
    other = stage.asked()
    stage.pool.configure(stage.now, PoolSpec())

    assert {name[0] for name in other} == {"b"}
    assert {name[0] for name in stage.asked()} == {"a", "b"}


def test_one_that_is_placed_elsewhere_belongs_there():
    stage = Stage(own="a")

    stage.pool.place(stage.now, stage.members["b-0"], "a")

    assert stage.asked() == {"a-0", "a-1", "a-2", "b-0"}


events = st.lists(
    st.tuples(
        st.sampled_from(["down", "up", "die", "reborn", "refuse"]),
        st.sampled_from(["a-0", "a-1", "b-0", "b-1", "c-0"]),
        st.floats(0.0, 4.0),
    ),
    max_size=40,
)


@given(events, st.sampled_from(["", "a", "c"]), st.sampled_from([0.0, 3.0]))
def test_whatever_happens_whoever_may_be_is_asked_in_the_end_and_the_shares_are_whole(
    script, own, slow_start
):
    stage = Stage("abc", each=2, own=own, slow_start=slow_start)
    for deed, name, gap in script:
        stage.now += gap
        present = {one.name for one in stage.pool.members}
        if deed in {"die", "reborn"} or name in present:
            getattr(stage, deed)(name)

        picked = stage.pool.pick(stage.now)
        assert (picked is None) is not bool(stage.pool.usable(stage.now))
        parts = stage.pool._parts or []
        assert not parts or parts[-1][0] == pytest.approx(1.0)
        assert all(members for _, members in parts)
        assert [total for total, _ in parts] == sorted(total for total, _ in parts)

    # When all is over and well, nobody is left out, unless the own zone takes it all.
    stage.now += 200.0
    stage.reborn(*stage.members)
    stage.now += 200.0
    everybody = set(stage.members)
    assert stage.asked() == ({name for name in everybody if name[0] == own} or everybody)
    assert not stage.pool._zones.shunned
