from mainstay.gateway.tally import Tally
from mainstay.redundancy.canary import Score


def counts(requests, failures=0, latency=None, generation=1):
    instance = {
        "instance": "web-1",
        "generation": generation,
        "requests": requests,
        "failures": failures,
        "in_flight": 1,
        "latency": latency or {},
        "health": "up",
        "ejected": False,
        "breaker": "open",
        "probe": None,
    }
    service = {
        "requests": requests,
        "failures": failures,
        "broken": 0,
        "cancelled": 0,
        "refused": 0,
        "retries": 0,
        "in_flight": 1,
        "latency": latency or {},
        "panicking": False,
        "instances": [instance],
    }
    return {"clients": 3, "services": {"web": service}}


def test_a_zone_that_any_worker_shuns_is_told_once():
    tally = Tally()
    for worker, shunned in ((1, ["b", "a"]), (2, ["b"]), (3, [])):
        told = counts(1, 0, {})
        told["services"]["web"]["shunned"] = shunned
        tally.take(worker, told)
    tally.take(4, counts(1, 0, {}))

    assert tally.service("web")["shunned"] == ["a", "b"]


def test_workers_are_added_up():
    tally = Tally()

    tally.take(1, counts(5, 1, {"8": 5}))
    tally.take(2, counts(7, 2, {"8": 7}))
    tally.take(2, counts(8, 2, {"8": 8}))

    web = tally.service("web")
    assert (web["requests"], web["failures"], web["in_flight"]) == (13, 3, 2)
    assert web["p50"] == web["p99"] == 9e-6
    life = tally.instance("web", "web-1", 1)
    assert (life["requests"], life["in_flight"], life["breakers_open"]) == (13, 2, 2)
    assert tally.clients(1) == 3


def test_what_a_lost_worker_had_counted_is_kept_once():
    tally = Tally()
    tally.take(1, counts(5))
    tally.lost(1)
    tally.lost(1)

    tally.take(1, counts(2))

    web = tally.service("web")
    assert (web["requests"], web["in_flight"]) == (7, 1)
    assert tally.instance("web", "web-1", 1)["requests"] == 7
    assert tally.clients(2) == 0


def test_another_life_has_counts_of_its_own():
    tally = Tally()

    tally.take(1, counts(5))

    assert tally.instance("web", "web-1", 2)["requests"] == 0
    assert tally.service("api")["p50"] is None


class Counted(list):
    """A list that counts how often something of it is looked at."""

    looked = 0

    def __iter__(self):
        for one in super().__iter__():
            self.looked += 1
            yield one


def test_all_of_many_lives_are_told_by_looking_at_each_once():
    tally, told = Tally(), counts(0)
    part = told["services"]["web"]["instances"][0]
    lives = told["services"]["web"]["instances"] = Counted(
        part | {"instance": f"web-{n}"} for n in range(500)
    )
    tally.take(1, told)

    for n in range(500):
        tally.instance("web", f"web-{n}", 1)
        tally.seen("web", f"web-{n}", 1)

    assert lives.looked == 500


def test_what_a_worker_tells_anew_takes_the_place_of_what_it_told():
    tally = Tally()
    for requests in (5, 6):
        tally.take(1, counts(requests))
        assert tally.instance("web", "web-1", 1)["requests"] == requests
    tally.lost(1)

    assert tally.instance("web", "web-1", 1)["in_flight"] == 0
    assert tally.seen("web", "web-1", 1) == []


def test_how_each_worker_sees_a_life_is_told_with_what_it_heard():
    tally = Tally()
    former, present = counts(0), counts(0)
    del former["services"]["web"]["instances"][0]["probe"]
    present["services"]["web"]["instances"][0]["probe"] = [False, "connection refused", 0.1]
    tally.take(1, former)
    tally.take(2, present)

    one, other = tally.seen("web", "web-1", 1)

    assert (one.health, one.probe) == ("up", None)
    assert other.probe.said == "connection refused"


def test_how_it_is_with_an_instance_is_told_over_all_of_its_lives():
    tally = Tally()

    tally.take(1, counts(5, generation=1))
    tally.take(2, counts(5, generation=2))

    (its,) = tally.instances("web").values()
    assert (its["in_flight"], its["ejected"], its["breakers_open"], its["idle"]) == (2, 0, 2, 0)
    assert tally.instances("api") == {}


def test_a_worker_of_a_former_version_which_tells_less_is_counted_as_far_as_it_goes():
    tally = Tally()

    tally.take(1, counts(5))

    totals = tally.totals("web")
    assert totals.sums["requests"] == 5
    assert (totals.durations, totals.micros) == ({}, 0)


def test_totals_are_a_copy_of_what_is_kept():
    tally = Tally()
    tally.take(1, counts(5))
    tally.lost(1)

    tally.totals("web").sums["requests"] += 1

    assert tally.totals("web").sums["requests"] == 5


def test_each_life_has_a_score_of_which_a_lost_worker_takes_nothing_away():
    tally = Tally()
    of_two = counts(5, 1, {"8": 4})
    of_two["services"]["web"]["instances"][0] |= {"overtaken": 2, "breaker": "closed"}
    tally.take(1, of_two)
    tally.take(2, counts(7, 2, {"8": 5}, generation=2))
    tally.take(3, of_two)
    tally.lost(3)

    scores = tally.scores("web")

    assert scores == {
        ("web-1", 1): Score(10, 2, 4, False, {8: 4}),
        ("web-1", 2): Score(7, 2, 0, True, {8: 5}),
    }
    assert tally.scores("api") == {}
