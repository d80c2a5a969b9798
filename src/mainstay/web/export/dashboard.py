"""A dashboard of Grafana over our own metrics: what was promised, what is left of it, and what the traffic was meanwhile."""

from typing import Any

from mainstay.system.schema import System

_WIDE = 24
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_SERVICE = 'service=~"$service"'

Panel = dict[str, Any]


def dashboard(system: System) -> dict[str, Any]:
    """Give the dashboard as plain values, for Grafana's import."""
    panels = [
        _stat("Error budget left", "mainstay_objective_budget_left", "percentunit", 6),
        _stat("Good so far", "mainstay_objective_ratio", "percentunit", 6),
        _stat(
            "Alerts firing",
            "mainstay_objective_alert",
            "short",
            6,
            by="{{service}} {{objective}} {{severity}}",
        ),
        _stat(
            "Instances up",
            'sum by (service) (mainstay_instance_state{state="up", §})',
            "short",
            6,
            by="{{service}}",
        ),
        _series(
            "Error budget left", "mainstay_objective_budget_left", "percentunit", "{{service}} {{objective}}"
        ),
        _series(
            "Burn rate", "mainstay_objective_burn_rate", "short", "{{service}} {{objective}} {{window}}s"
        ),
        _series(
            "Requests by class",
            "sum by (service, class) (rate(mainstay_requests_total{§}[5m]))",
            "reqps",
            "{{service}} {{class}}",
        ),
        _series(
            "Failed requests",
            "sum by (service) (rate(mainstay_request_failures_total{§}[5m]))",
            "reqps",
            "{{service}}",
        ),
        _series("Latency of 99 of 100", _quantile("0.99"), "s", "{{service}}"),
        _series("Latency of every other", _quantile("0.5"), "s", "{{service}}"),
        _series(
            "Retries and second attempts",
            "sum by (service) (rate(mainstay_retries_total{§}[5m])) + sum by (service) (rate(mainstay_hedges_total{§}[5m]))",
            "reqps",
            "{{service}}",
        ),
        _series(
            "Requests in progress",
            "sum by (service) (mainstay_requests_in_flight{§})",
            "short",
            "{{service}}",
        ),
    ]
    return {
        "title": f"Mainstay: {system.name}",
        "uid": f"mainstay-{system.name}"[:40],
        "tags": ["mainstay"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": _variables(list(system.services))},
        "panels": _placed(panels),
    }


def _variables(services: list[str]) -> list[dict[str, Any]]:
    return [
        {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source"},
        {
            "name": "service",
            "type": "custom",
            "label": "Service",
            "query": ",".join(services),
            "includeAll": True,
            "allValue": "|".join(services),
            "multi": True,
            "current": {"text": "All", "value": "$__all"},
        },
    ]


def _quantile(share: str) -> str:
    return f"histogram_quantile({share}, sum by (service, le) (rate(mainstay_request_duration_seconds_bucket{{§}}[5m])))"


def _stat(title: str, query: str, unit: str, width: int, by: str = "{{service}} {{objective}}") -> Panel:
    return _panel("stat", title, query, unit, by) | {"width": width, "height": 5}


def _series(title: str, query: str, unit: str, by: str) -> Panel:
    return _panel("timeseries", title, query, unit, by) | {"width": _WIDE // 2, "height": 8}


def _panel(kind: str, title: str, query: str, unit: str, by: str) -> Panel:
    chosen = query.replace("§", _SERVICE) if "§" in query else f"{query}{{{_SERVICE}}}"
    return {
        "type": kind,
        "title": title,
        "datasource": _SOURCE,
        "targets": [{"refId": "A", "expr": chosen, "legendFormat": by, "datasource": _SOURCE}],
        "fieldConfig": {"defaults": {"unit": unit}, "overrides": []},
    }


def _placed(panels: list[Panel]) -> list[Panel]:
    """Give each panel its place, from left to right and then down."""
    placed: list[Panel] = []
    x = y = tall = 0
    for number, panel in enumerate(panels, 1):
        width, height = panel.pop("width"), panel.pop("height")
        if x + width > _WIDE:
            x, y, tall = 0, y + tall, 0
        placed.append({"id": number, **panel, "gridPos": {"x": x, "y": y, "w": width, "h": height}})
        x, tall = x + width, max(tall, height)
    return placed
