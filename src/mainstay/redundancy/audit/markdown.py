"""The report as Markdown, for the summary of a workflow."""

from collections.abc import Mapping
from typing import Any

_LISTED = 200
"""Findings that are listed; more do not help anybody, and what shows them has a limit."""


def markdown(report: Mapping[str, Any]) -> str:
    """Write the report."""
    return "\n".join(
        [
            f"## Audit of {_cell(report['system'])}",
            "",
            *_entries(report),
            "",
            "Single points of failure:",
            "",
            *(f"- {_cell(each['sentence'])}" for each in report["single_points_of_failure"]),
            "",
            *_findings(report["findings"]),
            "",
        ]
    )


def _entries(report: Mapping[str, Any]) -> list[str]:
    rows = ["| Users of | Survives any one | any two | any zone |", "| --- | --- | --- | --- |"]
    return rows + [
        f"| {_cell(each['entry'])} | {' | '.join(yes(each['survives'][key]) for key in ('one', 'two', 'zone'))} |"
        for each in report["entries"]
    ]


def yes(answer: bool | None) -> str:
    """Write an answer; `-`: there is nothing to ask."""
    return {True: "yes", False: "no", None: "-"}[answer]


def _findings(findings: list[dict[str, Any]]) -> list[str]:
    if not findings:
        return ["No rule found anything."]
    rows = ["| | Rule | Where | What | Instead |", "| --- | --- | --- | --- | --- |"]
    rows += [
        f"| {'accepted' if each['accepted'] else each['severity']} | `{each['rule']}` | {_cell(each['file'])}:{each['line']} "
        f"| {_cell(each['message'])}{'; accepted: ' + _cell(each['accepted']) if each['accepted'] else ''} | {_cell(each['fix'])} |"
        for each in findings[:_LISTED]
    ]
    left = len(findings) - _LISTED
    return rows + ([f"\nand {left} more"] if left > 0 else [])


def _cell(text: str) -> str:
    """Keep text of others from being a table, a link or HTML."""
    plain = " ".join(text.split())
    return "".join(f"\\{letter}" if letter in "\\|<>[]*_" else letter for letter in plain)
