import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.system.difference import (
    ADDED,
    ADJUSTED,
    PROCESS_KEYS,
    REMOVED,
    REPLACED,
    Change,
    difference,
)
from mainstay.system.schema import Service, System

NAMES = ("a", "b", "c", "d")
PORTS = {name: 8000 + number for number, name in enumerate(NAMES)}


def system(services, **more):
    return System.model_validate({"name": "shop", "services": services, **more})


def web(**more):
    return {"command": "run", "listen": "http://127.0.0.1:8080", **more}


def change(before, after, stale=()):
    """Give what is different between two systems of one service, `web`."""
    found = difference(system({"web": before}), system({"web": after}), stale)
    return [(one.how, one.keys) for one in found.changes]


# --- whatever the systems ---

commands = st.fixed_dictionaries(
    {"command": st.sampled_from(["one", "two"])},
    optional={
        "instances": st.integers(1, 3),
        "env": st.dictionaries(st.sampled_from(["X", "Y"]), st.sampled_from(["1", "2"])),
        "timeouts": st.fixed_dictionaries({}, optional={"attempt": st.sampled_from(["1s", "2s"])}),
        "health": st.sampled_from(["off", {"path": "/well"}, {"every": "3s"}]),
        "retry": st.sampled_from(["off", {"attempts": 2}]),
        "hold": st.sampled_from(["1KiB", 0]),
    },
)
addresses = st.fixed_dictionaries(
    {"addresses": st.lists(st.sampled_from(["http://10.0.0.1", "http://10.0.0.2"]), min_size=1, unique=True)}
)


@st.composite
def systems(draw):
    names = draw(st.sets(st.sampled_from(NAMES), min_size=1))
    shared = draw(st.booleans())
    services = {}
    for name in sorted(names):
        service = draw(st.one_of(commands, addresses))
        own = f"http://127.0.0.1:{PORTS[name]}"
        listen = draw(st.sampled_from([own, *(["main"] if shared else [])]))
        if listen == "main":
            service["routes"] = [{"path": f"/{name}"}]
        services[name] = {**service, "listen": listen}
    more = {"zones": draw(st.sampled_from([[], ["x"], ["x", "y"]]))}
    if shared:
        more["listeners"] = {"main": {"at": f"http://127.0.0.1:{draw(st.sampled_from([80, 81]))}"}}
    return system(services, gateway={"drain": draw(st.sampled_from(["1s", "2s"]))}, **more)


@given(systems())
def test_between_a_system_and_itself_there_is_none(one):
    found = difference(one, one)

    assert not found
    assert found.changes == ()


@given(systems(), systems())
def test_every_service_is_told_once_and_by_what_is_so(before, after):
    found = difference(before, after)

    told = [each.what for each in found.changes]
    assert len(told) == len(set(told))
    assert set(found.services(ADDED)) == after.services.keys() - before.services.keys()
    assert set(found.services(REMOVED)) == before.services.keys() - after.services.keys()
    both = before.services.keys() & after.services.keys()
    changed = {*found.services(REPLACED), *found.services(ADJUSTED)}
    assert changed <= both
    assert {name for name in both if before.services[name] != after.services[name]} <= changed


@given(systems(), systems())
def test_the_way_back_takes_what_the_way_forth_takes(before, after):
    forth, back = difference(before, after), difference(after, before)

    assert set(forth.services(ADDED)) == set(back.services(REMOVED))
    assert set(forth.services(ADJUSTED)) <= {*back.services(ADJUSTED), *back.services(REPLACED)}
    assert bool(forth) is bool(back)


@given(systems(), systems(), st.randoms(use_true_random=False))
def test_made_in_whatever_order_the_changes_lead_from_one_to_the_other(before, after, chance):
    changes = list(difference(before, after).changes)
    chance.shuffle(changes)
    parts = {"services": dict(before.services), "listeners": dict(before.listeners)}
    whole = {"name": before.name, "zones": before.zones, "gateway": before.gateway}

    for one in changes:
        kind, _, name = one.what.partition(".")
        if kind in whole:
            whole[kind] = getattr(after, kind)
        elif one.how == REMOVED:
            del parts[kind][name]
        else:
            assert (name in parts[kind]) is (one.how != ADDED)
            parts[kind][name] = getattr(after, kind)[name]

    assert parts == {"services": after.services, "listeners": after.listeners}
    assert whole == {"name": after.name, "zones": after.zones, "gateway": after.gateway}


@given(systems(), systems(), st.data())
def test_underway_all_that_was_is_as_it_was_beside_what_is_ready(before, after, data):
    found = difference(before, after)
    added = found.services(ADDED)
    ready = data.draw(st.sets(st.sampled_from(added))) if added else set()

    between = found.underway(ready)

    assert before.services.items() <= between.services.items()
    assert before.listeners.items() <= between.listeners.items()
    assert between.services.keys() == before.services.keys() | ready
    assert {name: between.services[name] for name in ready} == {name: after.services[name] for name in ready}
    assert before.openings().items() <= between.openings().items()
    assert between.folder == before.folder


@given(systems(), systems())
def test_new_processes_are_only_for_what_they_are_started_by(before, after):
    found = difference(before, after)

    for name in found.services(REPLACED):
        was, now = before.services[name], after.services[name]
        started_otherwise = any(getattr(was, key) != getattr(now, key) for key in PROCESS_KEYS)
        assert started_otherwise or before.zones != after.zones


# --- case by case ---


def test_what_is_needed_elsewhere_takes_another_process():
    def needing(port):
        api = {"command": "true", "listen": f"http://127.0.0.1:{port}"}
        return system({"api": api, "web": {"command": "true", "needs": ["api"]}, "job": {"command": "true"}})

    found = difference(needing(8081), needing(8082))

    assert [change.record() for change in found.changes] == [
        {"what": "services.api", "how": ADJUSTED, "keys": ["listen"]},
        {"what": "services.web", "how": REPLACED, "keys": []},
    ]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("command", "run otherwise"),
        ("cwd", ".."),
        ("env_file", "web.env"),
        ("user", "root"),
    ],
)
def test_what_a_process_is_started_by_takes_another_process(key, value):
    assert change(web(), web(**{key: value})) == [(REPLACED, (key,))]


def test_of_environment_variables_only_the_names_are_told():
    before = web(env={"KEPT": "1", "TOKEN": "secret", "GONE": "1"})
    after = web(env={"KEPT": "1", "TOKEN": "geheim", "NEW": "1"})

    assert change(before, after) == [(REPLACED, ("env.TOKEN", "env.NEW", "env.GONE"))]


@pytest.mark.parametrize(
    ("before", "after", "keys"),
    [
        ({}, {"instances": 5}, ("instances",)),
        ({}, {"timeouts": {"attempt": "1s", "idle": "2s"}}, ("timeouts.attempt", "timeouts.idle")),
        ({"retry": "off"}, {}, ("retry",)),
        ({}, {"health": "off"}, ("health",)),
        ({"health": {"path": "/a"}}, {"health": {"path": "/b"}}, ("health.path",)),
        ({}, {"needs": []}, ()),
        ({}, {"listen": "http://127.0.0.1:8081"}, ("listen",)),
        ({}, {"restart": {"delay": "1s"}}, ("restart.delay",)),
        ({}, {"breaker": "off", "hold": 0}, ("breaker", "hold")),
    ],
)
def test_how_a_process_is_treated_changes_beside_it(before, after, keys):
    expected = [(ADJUSTED, keys)] if keys else []

    assert change(web(**before), web(**after)) == expected


def test_a_default_that_is_written_out_is_no_change():
    assert change(web(), web(instances=2, hold="64KiB", timeouts={}, health={"every": "1s"})) == []


def test_what_was_not_started_as_the_file_has_it_is_replaced_though_the_file_is_the_same():
    assert change(web(), web(), stale=["web"]) == [(REPLACED, ())]


def test_what_others_run_in_place_of_a_command_is_a_replacement():
    ours, theirs = web(), {"addresses": ["http://10.0.0.1"], "listen": "http://127.0.0.1:8080"}

    assert change(ours, theirs) == [(REPLACED, ("command", "addresses"))]
    assert change(theirs, ours) == [(REPLACED, ("command", "addresses"))]


def test_other_addresses_are_an_adjustment():
    before = {"addresses": ["http://10.0.0.1"], "listen": "http://127.0.0.1:8080"}

    assert change(before, before | {"addresses": ["http://10.0.0.2"]}) == [(ADJUSTED, ("addresses",))]


@pytest.mark.parametrize(
    ("before", "after", "replaced"),
    [
        (["x"], ["y"], True),
        (["x", "y"], ["x", "y", "z"], False),
        ([], ["x"], True),
        (["x", "y"], ["x"], True),
    ],
)
def test_instances_that_are_to_be_in_another_zone_are_replaced(before, after, replaced):
    found = difference(
        system({"web": web(instances=2)}, zones=before), system({"web": web(instances=2)}, zones=after)
    )

    assert found.changes[0] == Change("zones", ADJUSTED)
    assert found.services(REPLACED) == (["web"] if replaced else [])


def test_a_listener_that_is_shared_from_now_on_is_told_as_such():
    found = difference(
        system({"web": web()}),
        system({"web": web(listen="main")}, listeners={"main": {"at": "http://127.0.0.1:8080"}}),
    )

    assert found.changes == (
        Change("listeners.main", ADDED),
        Change("services.web", ADJUSTED, ("listen",)),
    )


def test_what_only_a_new_supervisor_can_change_is_refused():
    before = system({"web": web()}, gateway={"admin": "http://127.0.0.1:9000"})

    assert difference(before, system({"web": web()})).refusals() == [
        "gateway.admin: only a new supervisor can listen elsewhere; the rest of the file was not applied either"
    ]
    assert difference(before, before).refusals() == []


def test_a_new_service_waits_until_a_listener_of_its_name_has_gone():
    shared = {"api": {"at": "http://127.0.0.1:80"}}
    before = system({"web": web(listen="api")}, listeners=shared)
    after = system({"web": web(), "api": web(listen="http://127.0.0.1:81")})

    between = difference(before, after).underway({"api"})

    assert between.services.keys() == {"web"}
    assert between.openings() == before.openings()


def test_it_is_told_as_plain_values():
    assert Change("services.web", REPLACED, ("env.X",)).record() == {
        "what": "services.web",
        "how": "replaced",
        "keys": ["env.X"],
    }


def test_every_key_of_a_process_is_one_of_a_service():
    assert Service.model_fields.keys() >= PROCESS_KEYS
