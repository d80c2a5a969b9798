"""The report as JUnit XML, which every CI service shows: a test case for each cell.

The shape is that of the schema that Jenkins publishes (junit-10.xsd of its xUnit plugin), which knows properties of suites alone: so
there is a suite for each target, and its properties are called `FAULT.NAME`. A failure is a cell that is not as expected, an
error one that proves nothing, and skipped is what was not run, is stale, or is accepted.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from typing import Any

from mainstay.drill.form.figure import failed, kinds, length, millis, played, seconds, stamp
from mainstay.drill.verdict import ACCEPTED, INVALID, NOT_RUN, STALE

_OF_RUN = ("mainstay", "system", "run", "fingerprint", "length", "rate", "seed", "live")
_SKIPPED = (NOT_RUN, STALE, ACCEPTED)
_IMPOSSIBLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 does not have (section 2.2), not even escaped."""


def junit(report: Mapping[str, Any]) -> str:
    """Write a report as JUnit XML: a suite for each target, a case for each fault at it."""
    rows = report["cells"]
    root = ET.Element("testsuites", {"name": _clean(f"drill of {report['system']}"), **_counts(rows)})
    for target in dict.fromkeys(row["target"] for row in rows):
        _suite(root, report, target, [row for row in rows if row["target"] == target])
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _suite(
    root: ET.Element, report: Mapping[str, Any], target: str, rows: Sequence[Mapping[str, Any]]
) -> None:
    skipped = sum(_kind(row) == "skipped" for row in rows)
    around = {"skipped": str(skipped), "timestamp": stamp(report["at"])}
    suite = ET.SubElement(root, "testsuite", {"name": _clean(f"drill.{target}"), **_counts(rows), **around})
    properties = ET.SubElement(suite, "properties")
    for name in _OF_RUN:
        _property(properties, name, report[name])
    for row in filter(played, rows):
        for name, value in _numbers(row).items():
            _property(properties, f"{row['fault']}.{name}", value)
    for row in rows:
        _case(suite, row)


def _counts(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    return {
        "tests": str(len(rows)),
        "failures": str(sum(_kind(row) == "failure" for row in rows)),
        "errors": str(sum(_kind(row) == "error" for row in rows)),
        "time": f"{sum(map(length, rows)):.3f}",
    }


def _kind(row: Mapping[str, Any]) -> str:
    """Give which element a cell has; empty for one that passed."""
    if row["verdict"] in _SKIPPED:
        return "skipped"
    return "" if row["met"] else "error" if row["verdict"] == INVALID else "failure"


def _case(suite: ET.Element, row: Mapping[str, Any]) -> None:
    case = ET.SubElement(
        suite,
        "testcase",
        {
            "classname": _clean(f"drill.{row['target']}"),
            "name": _clean(f"{row['fault']} -> {row['target']}"),
            "time": f"{length(row):.3f}",
        },
    )
    kind = _kind(row)
    if kind == "skipped":
        ET.SubElement(case, kind, {"message": _clean(f"{row['verdict']}: {row['because']}")})
    elif kind:
        ET.SubElement(
            case, kind, {"type": row["verdict"].lower(), "message": _clean(_message(row))}
        ).text = _clean(f"{row['because']}\nexpected: {row['expected']}\n{row['reproduce']}\n")
    if played(row):
        ET.SubElement(case, "system-out").text = _clean(_said(row))


def _message(row: Mapping[str, Any]) -> str:
    if row["failed"] and row["verdict"] != INVALID:
        return f"{failed(row)} failed, {row['gap'] or 0:.1f} s"
    return str(row["because"])


def _numbers(row: Mapping[str, Any]) -> dict[str, Any]:
    times = ("gap", "lasted", "detected", "failover", "recovered")
    latencies = {f"p99_{name}": row["latency"][name]["p99"] for name in ("before", "during", "after")}
    return {
        "class": row["class"],
        "verdict": row["verdict"],
        "measured": row["measured"],
        "expected": row["expected"],
        "sent": row["sent"],
        "failed": row["failed"],
        **{name: row[name] for name in times},
        **latencies,
        "retries": row["retries"],
        "hedges": row["hedges"],
        "seed": row["seed"],
        "run": row["run"],
        "reproduce": row["reproduce"],
    }


def _said(row: Mapping[str, Any]) -> str:
    slowest = (f"{name} {millis(row['latency'][name]['p99'])}" for name in ("before", "during", "after"))
    return "\n".join(
        (
            f"{row['verdict']}: {row['because']}",
            f"failed: {failed(row)} ({kinds(row)}); nobody served for {seconds(row['gap'])}",
            f"detected after {seconds(row['detected'])}, last failure after {seconds(row['failover'])}",
            f"all back {seconds(row['recovered'])} after the fault",
            f"p99: {', '.join(slowest)}",
            f"retries: {row['retries']}, hedges: {row['hedges']}",
            f"evidence: {row['confirmed'] or 'none'}",
            f"again: {row['reproduce']}",
        )
    )


def _property(properties: ET.Element, name: str, value: object) -> None:
    if value is not None:
        ET.SubElement(properties, "property", {"name": _clean(name), "value": _clean(_plain(value))})


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _clean(text: str) -> str:
    return _IMPOSSIBLE.sub("�", text)
