import json
from pathlib import Path

import pytest

from mainstay.base.errors import SpecError
from mainstay.control.forecast import Evidence, Settings, beyond, components, entries, settings
from mainstay.control.foretold import foretold
from mainstay.ledger.watched import Watched
from mainstay.reliability.model.parameter import ASSUMED, DECLARED, MEASURED, UNPROVED
from mainstay.system.load import load
from mainstay.system.schema import System

FILE = """\
name: shop
zones: [a, b]
services:
  web: { command: web, instances: 3, listen: "http://127.0.0.1:8080", needs: [db, cache] }
  db: { command: db, instances: 1 }
  cache: { command: cache, needs: [db] }
  unused: { command: unused }
"""
NOTHING = Evidence({}, [])
SEEN = Evidence(
    {"web": Watched(90 * 86400.0, 6, [10.0, 12.0, 30.0, 40.0, 90.0])},
    [{"fault": "kill", "target": "web", "measured": "SURVIVED", "failover": None}] * 30,
)


@pytest.fixture
def system(tmp_path: Path) -> System:
    path = tmp_path / "mainstay.yaml"
    path.write_text(FILE)
    return load(path)


def test_a_service_stands_on_all_that_it_needs_and_each_counts_once(system: System) -> None:
    found = components(system, "web", NOTHING, Settings())

    assert [(one.name, one.units) for one in found] == [("web", 3), ("db", 1), ("cache", 2)]
    assert entries(system) == ["web"]


def test_what_nobody_knows_is_assumed_but_for_coverage_which_is_unproved(system: System) -> None:
    web = components(system, "web", NOTHING, Settings())[0]

    assert {web.mtbf.origin, web.mttr.origin, web.failover.origin, web.recovery.origin} == {ASSUMED}
    assert web.coverage.origin == UNPROVED


def test_what_was_measured_wins_over_what_is_assumed_and_what_is_told_over_both(system: System) -> None:
    told = settings(["web.mttr=1m", "web.instances=5"], system)

    web = components(system, "web", SEEN, told)[0]

    assert (web.mtbf.origin, web.mtbf.events) == (MEASURED, 6)
    assert (web.mttr.origin, web.mttr.value) == (DECLARED, 60)
    assert (web.coverage.origin, web.coverage.events) == (MEASURED, 30)
    assert web.units == 5


def test_zones_and_the_host_are_in_it_when_somebody_tells_how_often_they_fail(system: System) -> None:
    told = settings(["zone.mtbf=300d", "host.mtbf=300d", "host.mttr=1h"], system)

    found = components(system, "db", NOTHING, told)

    assert [(one.name, one.units) for one in found] == [("db", 1), ("zone", 2), ("host", 1)]


def test_a_service_may_be_called_host(tmp_path: Path) -> None:
    path = tmp_path / "mainstay.yaml"
    path.write_text("services: { host: { command: web } }")
    named = load(path)

    found = components(named, "host", NOTHING, settings(["host.mttr=1h"], named))

    assert [(one.name, one.mttr.value) for one in found] == [("host", 3600)]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("web", "not NAME.KEY=VALUE"),
        ("web.mtbf", "not NAME.KEY=VALUE"),
        ("wob.mtbf=1d", "there is no 'wob'"),
        ("web.colour=1d", "there is no 'colour'"),
        ("web.mtbf=0", "must be above 0"),
        ("web.mtbf=3", "has no unit"),
        ("web.coverage=120%", "more than 100%"),
        ("web.shape=0", "from 0.2 to 20"),
        ("web.shape=1e1", "from 0.2 to 20"),
        ("web.instances=0", "from 1 to 100"),
        ("web.instances=²", "from 1 to 100"),
        ("host.mttr=1h", "host.mtbf is missing"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_with_its_name(system: System, written: str, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        settings([written], system)


def test_zones_cannot_be_told_of_where_there_are_none(tmp_path: Path) -> None:
    path = tmp_path / "mainstay.yaml"
    path.write_text("services: { web: { command: web } }")

    with pytest.raises(SpecError, match="has no zones"):
        settings(["zone.mtbf=300d"], load(path))


def test_more_needed_than_there_are_is_refused(system: System) -> None:
    with pytest.raises(SpecError, match="web: needed must be from 1 to the 3 instances"):
        components(system, "web", NOTHING, settings(["web.needed=4"], system))


def test_without_a_drill_it_is_a_range_and_no_number(system: System) -> None:
    (row,) = foretold(system, NOTHING, Settings(), {}, seed=1)["services"]

    assert (row["proved"], row["availability"], row["downtime"]) == (False, None, None)
    assert row["low"] < row["high"]
    assert row["observed"] is None
    assert row["replicas"]["best"] is None


def test_it_can_be_written_as_json_and_is_the_same_each_time(system: System) -> None:
    told = settings(["cache.coverage=99%"], system)
    observed = {
        "web": {"availability": 1.0, "low": 0.9, "high": 1.0, "outages": 0, "served": 5.0, "down": 0.0}
    }

    found = foretold(system, SEEN, told, observed, seed=1)

    (row,) = found["services"]
    assert row["proved"]
    assert row["low"] < row["availability"] < row["high"]
    assert row["observed"]["availability"] == 1
    assert row["costs"][0]["component"] == "db"
    assert found["left_out"] == ["zone", "host"]
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert foretold(system, SEEN, told, observed, seed=1) == found


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (["web.window=1h"], "belong together"),
        (["web.window=2h", "web.every=1h"], "must be shorter than web.every"),
    ],
)
def test_a_window_that_cannot_be_is_refused(system: System, written: list[str], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        beyond(system, NOTHING, settings(written, system), None)


def test_the_simulator_plays_the_same_system(system: System) -> None:
    written = ["web.coverage=99%", "cache.coverage=99%", "db.mttr=1h", "web.mtbf=10d", "web.window=1h"]
    told = settings([*written, "web.every=7d", "web.shape=2", "zone.mtbf=300d", "zone.coverage=99%"], system)

    found = foretold(system, NOTHING, told, {}, seed=1, simulated=beyond(system, NOTHING, told, 1))

    (row,) = found["services"]
    assert row["simulated"]["low"] < row["simulated"]["availability"] < row["simulated"]["high"]
    assert row["simulated"]["availability"] == pytest.approx(row["availability"], abs=2e-4)


def test_nothing_is_simulated_while_coverage_is_unproved(system: System) -> None:
    found = foretold(
        system, NOTHING, Settings(), {}, seed=1, simulated=beyond(system, NOTHING, Settings(), None)
    )

    assert found["services"][0]["simulated"] is None
