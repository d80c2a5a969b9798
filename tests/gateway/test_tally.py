from mainstay.gateway.tally import Tally


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
