import re
import shutil
import subprocess
from pathlib import Path

import pytest

from mainstay.cli.app import main
from mainstay.cli.export import in_yaml
from mainstay.system.schema import System
from mainstay.web.export.dashboard import dashboard
from mainstay.web.export.query import bound
from mainstay.web.export.rules import ALERT, COUNT, ERRORS, remarks, rules

METRICS = Path(__file__).parents[2] / "docs" / "reference" / "metrics.md"


def shop(**objective: object) -> System:
    web = {"command": "run", "listen": "http://127.0.0.1:8080", "objective": objective}
    return System.model_validate({"name": "shop", "services": {"web": web, "jobs": {"command": "run"}}})


USUAL = shop(availability="99.9%", latency={"p99": "300ms"}, good=["2xx", "3xx"])


def documented(expression: str) -> None:
    known = METRICS.read_text(encoding="utf-8")
    for name in re.findall(r"mainstay_[a-z_]+", expression):
        assert f"`{re.sub('_(bucket|count)$', '', name)}`" in known, name


def test_rules_have_the_windows_and_rates_of_our_own_alerts() -> None:
    found = {group["name"]: group["rules"] for group in rules(USUAL)["groups"]}

    page, ticket = found["mainstay-web-availability-alert"]
    who = '{service="web", objective="availability"}'
    assert (page["alert"], page["labels"], ticket["labels"]) == (
        ALERT,
        {"severity": "page"},
        {"severity": "ticket"},
    )
    assert page["expr"].split(" or ")[0] == (
        f"({ERRORS}1h{who} > 0.0144 and {ERRORS}5m{who} > 0.0144 and {COUNT}1h{who} >= 5)"
    )
    assert f"{ERRORS}3d{who} > 0.001 and {ERRORS}6h{who} > 0.001" in ticket["expr"]


def test_what_alerts_ask_for_is_recorded() -> None:
    for system in (USUAL, shop(availability="99%", over="1h"), shop(latency={"p90": "1ms"}, over="year")):
        groups = rules(system)["groups"]
        recorded = {rule["record"] for group in groups for rule in group["rules"] if "record" in rule}
        asked = {
            name
            for group in groups
            for rule in group["rules"]
            if "alert" in rule
            for name in re.findall(r"mainstay:[a-z_]+:[a-z0-9]+", rule["expr"])
        }

        assert asked == recorded


def test_rules_count_what_the_objective_counts_from_metrics_that_there_are() -> None:
    found = {
        f"{rule['labels']['objective']} {rule['record']}": rule["expr"]
        for group in rules(USUAL, 'job="shop"')["groups"]
        for rule in group["rules"]
        if "record" in rule
    }

    assert found[f"availability {ERRORS}5m"] == (
        '(sum by (service) (rate(mainstay_request_failures_total{service="web", job="shop"}[5m]))'
        ' + sum by (service) (rate(mainstay_requests_total{service="web", job="shop", class=~"1xx|4xx"}[5m])))'
        ' / (sum by (service) (rate(mainstay_requests_total{service="web", job="shop"}[5m])))'
    )
    assert (
        'mainstay_request_duration_seconds_bucket{service="web", job="shop", le="0.262144"}'
        in found[f"p99 {ERRORS}5m"]
    )
    for expression in found.values():
        documented(expression)


def test_what_the_rules_cannot_do_as_we_do_is_said() -> None:
    assert remarks(USUAL) == [
        "web p99: the bucket of the metric that is nearest below the limit ends at 262.144ms"
    ]
    (said,) = remarks(shop(availability="99%", over="1d", budgeting="timeslices"))
    assert said.startswith("web availability: counted by timeslices in Mainstay, and by occurrences here")
    fast = shop(latency={"p50": "0.1ms"})
    assert rules(fast) == {"groups": []}
    assert remarks(fast) == ["web p50: left out, since no bucket of the metric is so fast"]
    assert bound(0.3) == 0.262144


@pytest.mark.parametrize(
    "system", [USUAL, shop(availability="90%", over="7d"), shop(availability="99%", over="1h")]
)
def test_prometheus_takes_the_rules_where_it_is_installed(system: System, tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(in_yaml(rules(system)), encoding="utf-8")

    promtool = shutil.which("promtool")
    said = (
        subprocess.run([promtool, "check", "rules", file], check=False, capture_output=True, text=True)
        if promtool
        else None
    )

    # What it would refuse anywhere: brackets that do not close, and names that are none.
    for line in file.read_text(encoding="utf-8").splitlines():
        assert line.count("(") == line.count(")")
        assert line.count("{") == line.count("}")
    assert said is None or said.returncode == 0, said.stdout + said.stderr


def test_the_dashboard_shows_metrics_that_there_are_and_no_panel_covers_another() -> None:
    found = dashboard(USUAL)

    taken: set[tuple[int, int]] = set()
    for panel in found["panels"]:
        (target,) = panel["targets"]
        documented(target["expr"])
        assert 'service=~"$service"' in target["expr"]
        place = panel["gridPos"]
        cells = {
            (place["x"] + right, place["y"] + down)
            for right in range(place["w"])
            for down in range(place["h"])
        }
        assert not cells & taken
        assert max(right for right, _ in cells) < 24
        taken |= cells
    assert len({panel["id"] for panel in found["panels"]}) == len(found["panels"])
    assert [one["name"] for one in found["templating"]["list"]] == ["datasource", "service"]


SYSTEM = """
name: shop
services:
  web:
    command: run
    listen: http://127.0.0.1:8080
    objective: { availability: 99.9% }
"""


@pytest.mark.parametrize(
    ("match", "code"),
    [
        ('job="shop"', 0),
        ('job="shop", env!~"test|\\"x\\""', 0),
        ("job=shop", 3),
        ('job="shop"}', 3),
        ('job="shop",', 3),
        ('1job="shop"', 3),
        ('job="sh"op"', 3),
    ],
)
def test_what_has_to_match_is_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], match: str, code: int
) -> None:
    file = tmp_path / "mainstay.yaml"
    file.write_text(SYSTEM, encoding="utf-8")

    with pytest.raises(SystemExit) as ended:
        main(["export", "prometheus", "--file", str(file), "--match", match])

    said = capsys.readouterr()
    assert (ended.value.code or 0) == code
    assert (match in said.out) if not code else ("is no list of label matchers" in said.err and not said.out)
