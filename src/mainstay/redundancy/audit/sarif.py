"""The findings as SARIF 2.1.0 (OASIS, 2020), which code hosts show beside the lines."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from mainstay.redundancy.audit.catalogue import RULES

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def sarif(report: Mapping[str, Any], version: str) -> dict[str, Any]:
    """Give the log of one run.

    Args:
        report: Of `report.report`.
        version: The program's.
    """
    order = list(RULES)
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "mainstay audit",
                        "semanticVersion": version,
                        "rules": [_rule(name) for name in order],
                    }
                },
                # Columns are counted in characters, as the reader of YAML does.
                "columnKind": "unicodeCodePoints",
                "results": [_result(each, order) for each in report["findings"]],
            }
        ],
    }


def _rule(name: str) -> dict[str, Any]:
    rule = RULES[name]
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.why},
        "help": {"text": f"{rule.why} Instead: {rule.fix}."},
        "defaultConfiguration": {"level": rule.severity},
    }


def _result(finding: Mapping[str, Any], order: list[str]) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": quote(finding["file"])}}
    if finding["line"]:
        place["region"] = {"startLine": finding["line"], "startColumn": finding["column"]}
    result: dict[str, Any] = {
        "ruleId": finding["rule"],
        "ruleIndex": order.index(finding["rule"]),
        "level": finding["severity"],
        "message": {"text": f"{finding['message']}. {RULES[finding['rule']].why} Instead: {finding['fix']}."},
        "locations": [
            {"physicalLocation": place, "logicalLocations": [{"fullyQualifiedName": finding["path"]}]}
        ],
        # What stays the same when lines move.
        "partialFingerprints": {"mainstayRuleAndPath/v1": f"{finding['rule']}@{finding['path']}"},
    }
    if finding["accepted"]:
        result["suppressions"] = [
            {"kind": "external", "status": "accepted", "justification": finding["accepted"]}
        ]
    return result
