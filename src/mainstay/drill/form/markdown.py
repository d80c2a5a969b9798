"""The report as Markdown, for the summary of a GitHub workflow, or a comment on a change.

GitHub takes 1 MiB of summary from a step, and shows nothing of one that is longer: what does not fit is left out, with a
word about it.
"""

import re
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from mainstay.base.moment import moment
from mainstay.drill.form.figure import (
    ago,
    counted,
    failed,
    kinds,
    millis,
    percentiles,
    played,
    seconds,
)
from mainstay.drill.form.summary import summary, title
from mainstay.drill.verdict import ACCEPTED, DEGRADED, INVALID, NOT_RUN, STALE, SURVIVED

LIMIT = 1_000_000
"""Bytes of a report at most."""
_SIGNS = {SURVIVED: "🟢", DEGRADED: "🟡", ACCEPTED: "🔵", INVALID: "🟣", STALE: "⚪", NOT_RUN: "⚪"}
_BAD = "🔴"
_HEAD = (
    "",
    "Fault",
    "Target",
    "Verdict",
    "Failed",
    "Gap",
    "Detected",
    "Recovered",
    "p99 before / during / after, ms",
)
_FIGURES = 4
"""From which column on they are figures."""
_SPECIAL = re.compile(r"([\\`*_\[\]#|~$])")
_ROOM = 400
"""Bytes for the word about what was left out."""


def markdown(report: Mapping[str, Any], limit: int = LIMIT) -> str:
    """Write a report as Markdown of GitHub's kind.

    Args:
        report: As `report.report` gives it.
        limit: Bytes at most; what says least is left out first.
    """
    top = f"## {'✅' if report['met'] else '❌'} {_text(report['system'])}: {title(report)}\n\n" + "".join(
        f"{_text(line)}\n\n" for line in summary(report)
    )
    end = f"{_coverage(report['coverage'])}\n{_foot(report)}\n"
    left = limit - _ROOM - len(top.encode()) - len(end.encode())
    rows = sorted(report["cells"], key=lambda row: row["met"])  # those that matter come first, and stay
    table, missing_rows = _fitted([_line(row) for row in rows], left - len(_table_head().encode()))
    left -= len(table.encode())
    told = [_details(row) for row in rows if not row["met"] or row["verdict"] == ACCEPTED]
    details, missing_details = _fitted(told, left - len(_table_head().encode()))
    return "".join(
        (
            top,
            _table_head() + table if table else "",
            _left_out(missing_rows, "row"),
            "\n",
            details,
            _left_out(missing_details, "detail"),
            "\n" if details else "",
            end,
        )
    )


def _fitted(parts: Iterable[str], room: int) -> tuple[str, int]:
    """Give as many parts, from the first on, as there is room for, and how many had none."""
    kept: list[str] = []
    parts = list(parts)
    for part in parts:
        room -= len(part.encode())
        if room < 0:
            break
        kept.append(part)
    return "".join(kept), len(parts) - len(kept)


def _left_out(count: int, what: str) -> str:
    if not count:
        return ""
    return f"\n*{counted(count, what)} left out: a summary may not be longer. The JSON report has them.*\n"


def _table_head() -> str:
    ruler = ("---" if number < _FIGURES else "--:" for number in range(len(_HEAD)))
    return f"| {' | '.join(_HEAD)} |\n| {' | '.join(ruler)} |\n"


def _line(row: Mapping[str, Any]) -> str:
    cells = (
        _SIGNS.get(row["verdict"], _BAD),
        _code(row["fault"]),
        _code(row["target"]),
        _verdict(row),
        failed(row),
        *(seconds(row.get(name)) for name in ("gap", "detected", "recovered")),
        percentiles(row),
    )
    return f"| {' | '.join(cells)} |\n"


def _verdict(row: Mapping[str, Any]) -> str:
    word = row["verdict"].replace("_", " ")
    return word if row["met"] else f"**{word}**"


def _details(row: Mapping[str, Any]) -> str:
    head = f"{_html(row['fault'])} at {_html(row['target'])}: {row['verdict'].replace('_', ' ')}"
    lines = [
        f"<details><summary>{head}</summary>\n",
        f"**{row['verdict'].replace('_', ' ')}**: {_text(row['because'])}.\n",
    ]
    if played(row):
        latencies = ", ".join(
            f"{name} {millis(row['latency'][name]['p99'])}" for name in ("before", "during", "after")
        )
        lines += [
            f"- title: {_text(row['title'])}; breaks {_text(', '.join(row['breaks']) or 'Mainstay itself')}",
            f"- expected: {_text(row['expected'])}",
            f"- failed: {failed(row)} ({_text(kinds(row))}); nobody served for {seconds(row['gap'])}",
            f"- {_times(row)}",
            f"- p99: {latencies}; retries {row['retries']:,}, hedges {row['hedges']:,}",
            f"- evidence that the fault acted: {_text(row['confirmed'] or 'none')}",
            *([f"- accepted: {_text(row['accepted'])}"] if row["accepted"] else []),
            *([f"- measured {ago(row['age'])} ago"] if "age" in row else []),
            f"\n{_block(row['reproduce'])}",
        ]
    return "\n".join((*lines, "</details>\n\n"))


def _times(row: Mapping[str, Any]) -> str:
    return (
        f"detected after {seconds(row['detected'])}, last failure after {seconds(row['failover'])}, all back"
        f" {seconds(row['recovered'])} after the fault"
    )


def _coverage(rows: Iterable[Mapping[str, Any]]) -> str:
    lines = [
        f"| {row['class']} | {row['survived']:,} of {row['trials']:,} | {row['at_least']:.3f} |"
        f" {max(0, row['clean_runs_for_95'] - row['trials']) if row['survived'] == row['trials'] else '–'} |\n"  # noqa: RUF001 - a dash
        for row in rows
    ]
    if not lines:
        return ""
    head = "| Class of faults | Survived | Coverage at least | Clean trials still missing for 0.95 |\n| --- | --: | --: | --: |\n"
    return f"**Coverage**, with 95 % confidence (Clopper and Pearson)\n\n{head}{''.join(lines)}"


def _foot(report: Mapping[str, Any]) -> str:
    words = [f"Mainstay {report['mainstay']}", moment(report["at"]), f"system file {report['fingerprint']}"]
    if report["run"] is not None:
        words.insert(1, f"run {report['run']}")
        words += [
            f"{report['length']}, {report['rate']:g} requests/s at each entry point, seed {report['seed']}",
            "on the running system" if report["live"] else "on a private copy",
        ]
    return f"<sub>{_text('; '.join(words))}</sub>\n"


def _text(told: str) -> str:
    """Write text so that nothing in it is markup, a mention, or the end of a cell."""
    flat = _flat(told)
    return (
        _SPECIAL.sub(r"\\\1", flat)
        .replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace("@", "@&#8203;")
    )


def _html(told: str) -> str:
    """Write text within a line that begins with a tag: nothing in it is read as Markdown."""
    return escape(_flat(told))


def _code(told: str) -> str:
    """Write a name in a cell of a table."""
    return f"<code>{_text(told)}</code>"


def _block(told: str) -> str:
    """Write a line to copy, whatever is in it."""
    flat = _flat(told)
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", flat)), default=0))
    return f"{fence}sh\n{flat}\n{fence}\n"


def _flat(told: str) -> str:
    """Write it in one line, without what controls a terminal."""
    return "".join(
        sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in " ".join(told.split())
    )
