import json

import pytest

from mainstay.base.errors import SpecError
from mainstay.drill.load.command import main
from mainstay.drill.load.mix import read_mix
from mainstay.drill.load.visit import UNWANTED, visits
from mainstay.drill.stage.entry import entries
from mainstay.system.drills import DrillLoad
from mainstay.system.schema import System

SYSTEM = System.model_validate(
    {
        "listeners": {"public": {"at": "https://0.0.0.0:8443"}},
        "services": {
            "web": {"command": "run", "listen": "public"},
            "api": {
                "command": "run",
                "listen": "public",
                "routes": [{"path": "/v1"}, {"host": "api.example", "path": "/v2"}],
            },
            "own": {"command": "run", "listen": "http://127.0.0.1:8080"},
        },
    }
)


@pytest.fixture
def asked(tmp_path):
    """Give what is asked at each entry point, and what is left out."""

    def of(**load):
        made, left = visits(DrillLoad.model_validate(load), entries(SYSTEM), 50, tmp_path)
        return {visit.name: [errand.route for errand in visit.mix] for visit in made}, left

    return of


def test_without_a_word_each_path_that_leads_to_a_service_is_asked(asked):
    assert asked() == (
        {"public": ["GET /", "GET /v1"], "public api.example": ["GET /v2"], "own": ["GET /"]},
        [],
    )


def test_a_request_goes_to_all_or_to_the_first_entry_of_whom_it_names(asked):
    made, _ = asked(
        requests=[
            "GET /all",
            {"request": "GET /own", "to": "own"},
            {"request": "GET /api", "to": "api"},
            {"request": "GET /public", "to": "public"},
            {"request": "GET /named", "to": "api", "headers": {"host": "api.example"}},
        ]
    )

    assert made == {
        "public": ["GET /all", "GET /api", "GET /public"],
        "public api.example": ["GET /all", "GET /named"],
        "own": ["GET /all", "GET /own"],
    }


def test_where_nothing_is_to_be_asked_nobody_comes(asked):
    assert asked(requests=[{"request": "GET /", "to": "own"}])[0] == {"own": ["GET /"]}


def test_recorded_requests_go_where_they_went(asked, tmp_path):
    lines = [
        {"method": "GET", "target": f"/{service}", "status": 200, "service": service}
        for service in ("web", "api", "own", "gone")
    ]
    (tmp_path / "access.log").write_text("".join(json.dumps(line) + "\n" for line in lines))

    made, left = asked(**{"from": "access.log"})

    assert made == {"public": ["GET /web", "GET /api"], "own": ["GET /own"]}
    assert [(each.what, each.why) for each in left] == [("GET /gone", "is for no entry point of this system")]


@pytest.mark.parametrize(
    ("host", "expected"), [("api.example", ["public api.example"]), ("localhost", ["public", "own"])]
)
def test_recorded_requests_go_to_the_host_that_they_went_to_or_to_who_takes_any(
    asked, tmp_path, host, expected
):
    entry = {"request": {"method": "GET", "url": f"https://{host}/x"}, "response": {"status": 200}}
    (tmp_path / "a.har").write_text(json.dumps({"log": {"entries": [entry]}}))

    assert list(asked(**{"from": "a.har"})[0]) == expected


def test_a_recording_with_nothing_to_send_is_refused(asked, tmp_path):
    (tmp_path / "access.log").write_text('{"method": "POST", "target": "/", "status": 200}\n')

    with pytest.raises(SpecError, match="nothing is left to be asked"):
        asked(**{"from": "access.log"})


SHOPPING = {
    "requests": [
        {"request": "GET /", "weight": 6},
        {"request": "POST /orders/{id}", "to": "own", "weight": 3, "writes": True},
        {"request": "PUT /a", "to": "own", "writes": True},
    ]
}


def test_how_many_of_each_write_come_in_a_second_is_known(tmp_path):
    made, _ = visits(DrillLoad.model_validate(SHOPPING), entries(SYSTEM), 50, tmp_path)

    assert {visit.name: visit.writes() for visit in made} == {
        "public": {},
        "public api.example": {},
        "own": {"POST /orders/{id}": 15.0, "PUT /a": 5.0},
    }


def test_writes_are_left_out_where_they_are_not_wanted(tmp_path):
    load = DrillLoad.model_validate(SHOPPING)

    made, left = visits(load, entries(SYSTEM), 50, tmp_path, writes=False)

    assert [[errand.route for errand in visit.mix] for visit in made] == [["GET /"]] * 3
    assert [(each.what, each.why) for each in left] == [
        ("POST /orders/{id}", UNWANTED),
        ("PUT /a", UNWANTED),
    ]
    only = load.model_copy(update={"requests": load.requests[1:]})
    with pytest.raises(SpecError, match="nothing is left to be asked at any entry point: writes are sent"):
        visits(only, entries(SYSTEM), 50, tmp_path, writes=False)


def test_the_generator_understands_what_it_is_told(tmp_path, capsys):
    load = DrillLoad.model_validate(
        {"fresh": "12.5%", "requests": [{"request": "PUT /a", "body": "{id}", "weight": 3, "writes": True}]}
    )

    made, _ = visits(load, entries(SYSTEM), 50, tmp_path)
    own = next(visit for visit in made if visit.name == "own")
    options = own.options(seconds=0.01, at=0.0, seed=1, folder=tmp_path)
    code = main([*options, "--out", str(tmp_path / "out")])

    head = json.loads((tmp_path / "out").read_text().splitlines()[0])["load"]
    assert code == 0, capsys.readouterr().err
    assert (head["spec"]["fresh"], head["spec"]["deadline"], head["spec"]["rate"]) == (0.125, 5.0, 50.0)
    assert read_mix((tmp_path / "requests of own.json").read_text()) == own.mix
    assert "--unverified" in made[0].options(seconds=1, at=0.0, seed=1, folder=tmp_path)
