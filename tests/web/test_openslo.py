import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML
from typer.testing import CliRunner

from mainstay.base.errors import SpecError
from mainstay.cli.app import command_line
from mainstay.cli.export import in_yaml
from mainstay.system.load import load
from mainstay.system.objective import Objective
from mainstay.system.schema import System
from mainstay.web.export.imported import found
from mainstay.web.export.openslo import slos

THEIRS = """\
apiVersion: openslo/v1
kind: Service
metadata: { name: shop }
---
apiVersion: openslo/v1
kind: SLO
metadata: { name: shop-requests }
spec:
  service: My Shop
  indicator:
    metadata: { name: ratio }
    spec:
      ratioMetric:
        counter: true
        good: { metricSource: { type: Prometheus, spec: { query: good } } }
        total: { metricSource: { type: Prometheus, spec: { query: total } } }
  timeWindow: [{ duration: 4w, isRolling: true }]
  budgetingMethod: Timeslices
  objectives:
    - { target: 0.999, timeSliceTarget: 0.95, timeSliceWindow: 1m }
    - { target: 0.99 }
  alertPolicies: [fast-burn]
---
apiVersion: openslo/v1
kind: SLO
metadata: { name: shop-latency }
spec:
  service: My Shop
  indicator:
    metadata: { name: latency }
    spec: { thresholdMetric: { metricSource: { type: Prometheus, spec: { query: latency } } } }
  timeWindow: [{ duration: 1M, isRolling: false, calendar: { startTime: 2024-01-01 00:00:00, timeZone: UTC } }]
  budgetingMethod: Occurrences
  objectives: [{ op: lte, value: 0.3, targetPercent: 99 }]
"""


def shop(**objective: object) -> System:
    web = {"command": "run", "listen": "http://127.0.0.1:8080", "objective": objective}
    return System.model_validate({"name": "shop", "services": {"web": web}})


def test_an_slo_says_what_was_promised() -> None:
    system = shop(availability="99.9%", over="14d", budgeting="timeslices", slice="1m", slice_target="95%")

    (slo,) = slos(system)

    assert (slo["apiVersion"], slo["kind"], slo["metadata"]["name"]) == (
        "openslo/v1",
        "SLO",
        "web-availability",
    )
    spec = slo["spec"]
    assert spec["service"] == "web"
    assert spec["timeWindow"] == [{"duration": "14d", "isRolling": True}]
    assert spec["budgetingMethod"] == "Timeslices"
    assert spec["objectives"] == [
        {"displayName": "99.9% good", "target": 0.999, "timeSliceWindow": "1m", "timeSliceTarget": 0.95}
    ]
    ratio = spec["indicator"]["spec"]["ratioMetric"]
    assert "mainstay_requests_total" in ratio["good"]["metricSource"]["spec"]["query"]


@pytest.mark.parametrize(
    "keys",
    [
        {"availability": "99.9%"},
        {"availability": "99.95%", "latency": {"p99": "300ms", "p99.9": "1.5s"}, "over": "7d"},
        {"availability": "99%", "over": "quarter", "time_zone": "Europe/Berlin"},
        {"latency": {"p90": "50ms"}, "over": "14d", "budgeting": "ratio_timeslices", "slice": "1m"},
        {
            "availability": "99%",
            "over": "90d",
            "budgeting": "timeslices",
            "slice": "1h",
            "slice_target": "90%",
        },
    ],
)
def test_what_was_written_is_read_as_the_same(keys: dict[str, object]) -> None:
    written = in_yaml(*slos(shop(**keys)))

    services, remarks = found(written)

    assert remarks == []
    ours, again = Objective.model_validate(keys), Objective.model_validate(services["web"])
    assert (again.specs(), again.over, again.time_zone) == (ours.specs(), ours.over, ours.time_zone)


def test_what_cannot_be_carried_over_is_said() -> None:
    services, remarks = found(THEIRS)

    assert services == {
        "my-shop": {
            "availability": "99.9%",
            "over": "28d",
            "budgeting": "timeslices",
            "slice": "1h",
            "slice_target": "95%",
        }
    }
    assert remarks == [
        "Service shop: not carried over, as nothing here needs it",
        "shop-requests: its service is called my-shop here",
        "shop-requests: only the first of its 2 objectives is carried over",
        "shop-requests: its queries are not carried over: the gateway counts the requests itself, and 1xx to 4xx are good unless `good` says otherwise",
        "shop-requests: its slices of 1m are 1h here, as the ledger keeps finer ones for less time",
        "shop-requests: its alert policies are not carried over; `alerts` tells whom to tell, and when is fixed",
        "shop-latency: its service is called my-shop here",
        "shop-latency: not carried over, as only you know what it measures; if it is the latency in seconds, write latency: { p99: 300ms }",
    ]


@pytest.mark.parametrize(
    "text", ["[1", "a: b", "- 1", "apiVersion: openslo/v2", "a: " + "x" * 2**20, 'a: "\\UFFFFFFFF"']
)
def test_what_is_not_openslo_is_refused(text: str) -> None:
    with pytest.raises(SpecError):
        found(text)


_SCALARS = (
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers()
    | st.sampled_from(["1M", "1w", "SLO", "0.9", "Timeslices"])
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                [
                    "spec",
                    "metadata",
                    "name",
                    "objectives",
                    "target",
                    "targetPercent",
                    "timeWindow",
                    "duration",
                    "service",
                    "isRolling",
                    "calendar",
                    "timeZone",
                    "budgetingMethod",
                    "timeSliceTarget",
                    "timeSliceWindow",
                    "op",
                    "value",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(_VALUES, _VALUES)
def test_no_file_of_openslo_breaks_it(metadata: object, spec: object) -> None:
    document = {"apiVersion": "openslo/v1", "kind": "SLO", "metadata": metadata, "spec": spec}

    services, _ = found(json.dumps(document))

    for keys in services.values():
        Objective.model_validate(keys)


def test_the_commands_write_it_and_print_what_a_system_file_takes(tmp_path: Path) -> None:
    file, theirs = tmp_path / "mainstay.yaml", tmp_path / "slo.yaml"
    file.write_text(
        "services:\n  web:\n    command: run\n    listen: http://127.0.0.1:8080\n"
        "    objective: { availability: 99.9%, latency: { p99.9: 300ms }, over: month, time_zone: Europe/Berlin }\n"
    )
    app = command_line(["objectives"])

    written = CliRunner().invoke(app, ["objectives", "export", "--openslo", "--file", str(file)])
    theirs.write_text(written.stdout)
    read = CliRunner().invoke(app, ["objectives", "import", str(theirs)])

    assert len(list(YAML(typ="safe").load_all(written.stdout))) == 2
    again = tmp_path / "again.yaml"
    again.write_text(
        read.stdout.replace(
            "    objective", "    command: run\n    listen: http://127.0.0.1:8080\n    objective"
        )
    )
    assert load(again).services == load(file).services
