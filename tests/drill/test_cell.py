from pathlib import Path

import pytest

from mainstay.base.errors import SpecError
from mainstay.drill.cell import cells, chosen, dependents, named, only_one, pairs, zone_of
from mainstay.system.load import load
from mainstay.system.schema import System
from pki import Authority

SHOP = """
zones: [a, b]
services:
  web:
    command: node server.js
    instances: 4
    listen: http://127.0.0.1:8080
    needs: [api]
  api:
    command: node api.js
    listen: http://127.0.0.1:8081
  jobs:
    command: node jobs.js
    instances: 1
  payments:
    addresses: ["https://a.pay.example", { at: "http://10.0.0.1:80", zone: b }]
    listen: http://127.0.0.1:8090
  mail:
    addresses: ["tcp://10.0.0.2:25"]
    listen: tcp://127.0.0.1:8025
"""


@pytest.fixture
def shop(tmp_path: Path) -> System:
    file = tmp_path / "mainstay.yaml"
    file.write_text(SHOP)
    return load(file)


def names(system: System, fault: str) -> list[str]:
    return [cell.target.name for cell in cells(system) if cell.kind.name == fault]


def test_every_part_is_drilled_with_what_makes_sense_there(shop: System) -> None:
    assert names(shop, "kill") == ["web", "api", "jobs"]
    assert names(shop, "latency") == ["web", "api", "payments", "mail"]
    assert names(shop, "errors") == ["web", "api", "payments"]
    assert names(shop, "dns") == ["payments"]
    assert names(shop, "dependency-down") == ["api"]
    assert names(shop, "zone-kill") == ["a", "b"]
    assert names(shop, "worker-kill") == ["gateway"]
    assert names(shop, "rolling") == ["web", "api", "jobs"]
    assert names(shop, "disk") == []


def test_a_crash_loop_comes_last_since_what_follows_is_started_again_later(shop: System) -> None:
    order = [cell.kind.name for cell in cells(shop)]

    assert order[-3:] == ["crash-loop"] * 3
    assert order.count("crash-loop") == 3


def test_a_zone_is_all_that_is_in_it(shop: System) -> None:
    by = {cell.name: cell.touches for cell in cells(shop)}

    assert by["zone-kill@a"] == {"web-1", "web-3", "api-1", "jobs-1"}
    assert by["zone-kill@b"] == {"web-2", "web-4", "api-2"}
    assert by["zone-cut@b"] == {"web-2", "web-4", "api-2", "10.0.0.1"}
    assert zone_of(shop)["10.0.0.1"] == "b"


def test_what_needs_a_service_is_hit_by_its_loss(shop: System) -> None:
    assert dependents(shop, "api") == {"api", "web"}
    assert dependents(shop, "web") == {"web"}


def test_cells_are_chosen_by_fault_and_target(shop: System) -> None:
    every = cells(shop)

    assert [cell.name for cell in chosen(every, ["kill"], ["web"])] == ["kill@web"]
    assert {cell.kind.name for cell in chosen(every, quick=True)} == {
        "kill", "freeze", "latency", "errors", "truncate", "zone-kill",
    }  # fmt: skip
    assert len({cell.name for cell in every}) == len(every)


def test_a_choice_of_nothing_is_told(shop: System) -> None:
    with pytest.raises(SpecError, match="no drill is like that: kill and target payments"):
        chosen(cells(shop), ["kill"], ["payments"])


def test_pairs_break_different_instances(shop: System) -> None:
    both = pairs(chosen(cells(shop), ["kill", "freeze"]))

    assert "kill@web+kill@api" in {cell.name for cell in both}
    assert all(len(cell.touches) == 2 for cell in both)
    assert not any(cell.name == "kill@web+freeze@web" for cell in both)


@pytest.mark.parametrize(
    ("faults", "targets", "said"),
    [
        (["kill", "frezee"], [], "did you mean 'freeze'"),
        (["kill"], ["web", "nope"], "no target 'nope'; there are: web, api, "),
        ([], [""], "no target ''"),
    ],
)
def test_a_name_that_is_none_is_told_also_among_others(
    shop: System, faults: list[str], targets: list[str], said: str
) -> None:
    with pytest.raises(SpecError, match=said):
        chosen(cells(shop), faults, targets)


def test_cells_are_chosen_by_name_also_two_at_once_in_the_order_of_the_plan(shop: System) -> None:
    every = cells(shop)
    told = ["freeze@api", "kill@web", "latency@web+kill@api", "kill@api+latency@web"]

    found = [cell.name for cell in named(every, told)]

    assert found == ["freeze@api", "kill@web", "kill@api+latency@web"]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("kil@web", r"no cell 'kil@web', which is FAULT@TARGET; did you mean 'kill@web'\?"),
        ("x", r"no cell 'x'.*`mainstay drill plan` lists them"),
        ("kill@web+", "no cell ''"),
        ("kill@web+kill@web", r"'kill@web\+kill@web' is no pair"),
        ("kill@web+freeze@web", "two faults that break different instances"),
    ],
)
def test_a_name_of_no_cell_is_told(shop: System, name: str, told: str) -> None:
    with pytest.raises(SpecError, match=told):
        named(cells(shop), [name])


def test_a_service_with_one_instance_is_told(shop: System) -> None:
    jobs, web, zone, both = named(cells(shop), ["kill@jobs", "kill@web", "zone-kill@a", "kill@web+kill@jobs"])

    assert only_one(shop, jobs) == only_one(shop, both) == "there is only one instance of jobs"
    assert only_one(shop, web) == only_one(shop, zone) == ""


def test_a_name_that_is_not_known_hits_an_address_that_has_one(tmp_path: Path) -> None:
    addresses = 'addresses: ["http://10.0.0.1:80", "http://a.pay.example:81"]'
    (tmp_path / "mainstay.yaml").write_text(
        f"services: {{ pay: {{ {addresses}, listen: 'http://127.0.0.1:1' }} }}"
    )

    (cell,) = chosen(cells(load(tmp_path / "mainstay.yaml")), ["dns"])

    assert cell.target.instances == ("a.pay.example:81",)


def test_certificates_are_renewed_where_there_are_some(shop: System, tmp_path: Path) -> None:
    Authority(tmp_path).issue("shop.example")
    (tmp_path / "mainstay.yaml").write_text(
        "services: { web: { command: run, listen: 'https://127.0.0.1:1',"
        " tls: { cert: shop.example.crt, key: shop.example.key } } }"
    )

    secure = load(tmp_path / "mainstay.yaml")

    assert names(shop, "certificate") == []
    assert names(secure, "certificate") == ["gateway"]
