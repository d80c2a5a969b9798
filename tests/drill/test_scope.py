from pathlib import Path

import pytest

from mainstay.drill.cell import cells
from mainstay.drill.scope import Scope, scope, waves
from mainstay.drill.stage.entry import entries
from mainstay.system.load import load
from mainstay.system.schema import System

SHOP = """
zones: [a, b]
listeners:
  public: { at: "http://127.0.0.1:8000" }
services:
  web: { command: node web.js, listen: "http://127.0.0.1:8080", needs: [api] }
  api: { command: node api.js, listen: "http://127.0.0.1:8081" }
  wiki: { command: node wiki.js, listen: public, routes: [{ path: /wiki }] }
  blog: { command: node blog.js, listen: public, routes: [{ path: /blog }] }
  jobs: { command: node jobs.js }
"""


@pytest.fixture
def shop(tmp_path: Path) -> System:
    file = tmp_path / "mainstay.yaml"
    file.write_text(SHOP)
    return load(file)


def of(system: System, name: str) -> Scope:
    (cell,) = [cell for cell in cells(system) if cell.name == name]
    return scope(system, entries(system), cell)


def test_a_drill_is_about_what_it_breaks_and_who_needs_that(shop: System) -> None:
    api = of(shop, "kill@api")

    assert api.services == {"api", "web"}
    assert [entry.name for entry in api.entries] == ["web", "api"]
    assert not api.alone
    assert of(shop, "kill@web").services == {"web"}


def test_of_the_loss_of_all_of_a_service_those_tell_who_need_it(shop: System) -> None:
    its = of(shop, "dependency-down@api")

    assert [entry.name for entry in its.entries] == ["web"]
    assert its.services == {"api", "web"}


def test_services_at_one_entry_point_share_its_users(shop: System) -> None:
    assert of(shop, "kill@wiki").services == {"wiki", "blog"}


@pytest.mark.parametrize(
    "name", ["zone-kill@a", "worker-kill@gateway", "rolling@web", "cpu@web", "kill@jobs"]
)
def test_what_all_may_feel_is_about_all_and_alone(shop: System, name: str) -> None:
    its = of(shop, name)

    assert its.alone
    assert its.services == set(shop.services)


def test_drills_of_separate_services_go_on_at_the_same_time(shop: System) -> None:
    given = [
        (cell, scope(shop, entries(shop), cell)) for cell in cells(shop) if cell.kind.name in ("kill", "cpu")
    ]

    made = [[cell.name for cell, _ in wave] for wave in waves(given, 2)]

    assert made == [
        ["kill@web", "kill@wiki"],
        ["kill@api", "kill@blog"],
        ["kill@jobs"],
        ["cpu@web"],
        ["cpu@api"],
        ["cpu@wiki"],
        ["cpu@blog"],
        ["cpu@jobs"],
    ]
    assert [len(wave) for wave in waves(given, 1)] == [1] * 10
