"""The report as one page of HTML: nothing else is needed to show it, no script runs, and nothing is fetched."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from mainstay.base.moment import moment
from mainstay.base.style import CSS
from mainstay.drill.form.chart import chart
from mainstay.drill.form.figure import (
    NONE,
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
from mainstay.drill.verdict import (
    ACCEPTED,
    DEGRADED,
    INVALID,
    NOT_RUN,
    STALE,
    SURVIVED,
    VERDICTS,
    rank,
)

_LOOKS = {
    SURVIVED: ("good", "✓"),
    DEGRADED: ("fair", "≈"),
    ACCEPTED: ("note-v", "○"),
    INVALID: ("odd", "?"),
    STALE: ("gap", "…"),
    NOT_RUN: ("gap", "–"),  # noqa: RUF001 - a dash is what is meant
}
_BAD = ("bad", "✕")
_LEGEND = (
    ('<rect class="served" width="26" height="12"/>', "answered"),
    (
        '<rect class="hatch" width="26" height="12"/><path class="hatch-line" d="M-2 12L10 0M6 12L18 0M14 12L26 0"/>',
        "failed",
    ),
    ('<path class="median" d="M1 6H25"/>', "median latency"),
    ('<path class="longest" d="M1 6H25"/>', "longest latency"),
    ('<rect class="span" width="26" height="12"/>', "while the fault acted"),
)


def page(report: Mapping[str, Any]) -> str:
    """Write a report as a page of HTML."""
    rows = report["cells"]
    ids = {row["cell"]: f"cell-{number}" for number, row in enumerate(rows, start=1)}
    name = escape(report["system"])
    return "\n".join(
        (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
            f'<meta name="generator" content="Mainstay {escape(report["mainstay"])}">',
            f"<title>{name}: survival matrix</title>\n<style>{CSS}</style>\n</head>\n<body>",
            _top(report),
            "<main>",
            _grid(rows, ids),
            _coverage(report["coverage"]),
            _cells([row for row in rows if played(row)], ids),
            _meanings(rows),
            "</main>",
            _foot(report),
            "</body>\n</html>\n",
        )
    )


def _foot(report: Mapping[str, Any]) -> str:
    return (
        f"<footer>System file {escape(report['file'])}, fingerprint <code>{escape(report['fingerprint'])}</code>."
        f" Written by Mainstay {escape(report['mainstay'])}.</footer>"
    )


def _top(report: Mapping[str, Any]) -> str:
    head = title(report)
    told = "".join(f"<li>{escape(line)}</li>" for line in summary(report))
    return (
        f'<header class="top{"" if report["met"] else " no"}"><div><p class="over">Survival matrix of {escape(report["system"])}</p>'
        f'<h1>{head[0].upper()}{head[1:]}</h1><ul class="three">{told}</ul><p class="meta">{_meta(report)}</p></div></header>'
    )


def _meta(report: Mapping[str, Any]) -> str:
    words = [moment(report["at"])]
    if report["run"] is None:
        words.append("the newest that is known of every cell")
    else:
        words += [
            f"run {report['run']}",
            f"{report['length']} length",
            f"{report['rate']:g} requests/s at each entry point",
            f"seed {report['seed']}",
            "on the running system" if report["live"] else "on a private copy of the system",
        ]
    return "".join(f"<span>{escape(word)}</span>" for word in words)


def _grid(rows: Sequence[Mapping[str, Any]], ids: Mapping[str, str]) -> str:
    """Write the matrix: a row for each kind of fault, a column for each target."""
    if not rows:
        return ""
    tables = "".join(
        _table([row for row in rows if row["target"] in targets], ids) for targets in _together(rows)
    )
    return (
        "<section><h2>The matrix <small>what breaks, where, and what users saw of it</small></h2>"
        f"{tables}</section>"
    )


def _together(rows: Iterable[Mapping[str, Any]]) -> list[set[str]]:
    """Give the targets that have a kind of fault in common: services, zones, and Mainstay itself have none."""
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(row["fault"], set()).add(row["target"])
    merged: list[set[str]] = []
    for targets in found.values():
        apart = [one for one in merged if not one & targets]
        merged = [*apart, targets.union(*(one for one in merged if one & targets))]
    order = list(dict.fromkeys(row["target"] for row in rows))
    return sorted(merged, key=lambda one: min(map(order.index, one)))


def _table(rows: Sequence[Mapping[str, Any]], ids: Mapping[str, str]) -> str:
    targets = list(dict.fromkeys(row["target"] for row in rows))
    faults = {row["fault"]: row for row in rows}
    by = {(row["fault"], row["target"]): row for row in rows}
    head = "".join(f'<th scope="col">{escape(target)}</th>' for target in targets)
    lines = []
    for fault, one in faults.items():
        cells = "".join(_square(by.get((fault, target)), target, ids) for target in targets)
        lines.append(
            f'<tr><th scope="row">{escape(fault)}<small>{escape(one["class"])}</small></th>{cells}</tr>'
        )
    return (
        '<div class="scroll" role="region" aria-label="matrix" tabindex="0"><table class="grid">'
        f'<thead><tr><th scope="col">fault</th>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'
    )


def _square(row: Mapping[str, Any] | None, target: str, ids: Mapping[str, str]) -> str:
    at = f' data-at="{escape(target)}"'
    if row is None:
        return '<td class="empty"><span aria-label="makes no sense here"></span></td>'
    look, sign = _look(row)
    inner = (
        f'<b><span class="sign" aria-hidden="true">{sign}</span>{_word(row)}</b>'
        f"<small>{escape(_short(row))}</small>"
    )
    if not played(row):
        return f'<td{at}><span class="cell {look}">{inner}</span></td>'
    return f'<td{at}><a class="cell {look}" href="#{ids[row["cell"]]}">{inner}</a></td>'


def _short(row: Mapping[str, Any]) -> str:
    if not played(row):
        return str(row["because"])
    told = f"{failed(row)} failed"
    if row["gap"]:
        told += f", {seconds(row['gap'])}"
    if not row["met"] and row["verdict"] in (SURVIVED, DEGRADED):
        told += "; not as expected"
    return told


def _coverage(rows: Iterable[Mapping[str, Any]]) -> str:
    lines = [
        f'<tr><th scope="row">{escape(row["class"])}</th><td class="n">{row["survived"]:,} of {row["trials"]:,}</td>'
        f'<td class="n">{row["at_least"]:.3f}</td>'
        f'<td class="wide"><span class="bar" aria-hidden="true"><i style="width:{100 * row["at_least"]:.1f}%"></i></span></td>'
        f"<td>{_wanting(row)}</td></tr>"
        for row in rows
    ]
    if not lines:
        return ""
    return (
        "<section><h2>Coverage <small>the share of failures that is survived, at least, with 95 % confidence</small></h2>"
        '<div class="scroll"><table><thead><tr><th scope="col">class of faults</th><th scope="col" class="n">survived</th>'
        '<th scope="col" class="n">at least</th><th scope="col" class="wide">of all</th><th scope="col">what is missing for 0.95</th>'
        f"</tr></thead><tbody>{''.join(lines)}</tbody></table></div></section>"
    )


def _wanting(row: Mapping[str, Any]) -> str:
    if row["survived"] < row["trials"]:
        return f"what {counted(row['trials'] - row['survived'], 'trial')} did not survive"
    more = row["clean_runs_for_95"] - row["trials"]
    return f"{counted(more, 'clean trial')} more" if more > 0 else "nothing"


def _cells(rows: Sequence[Mapping[str, Any]], ids: Mapping[str, str]) -> str:
    if not rows:
        return ""
    worst_first = sorted(rows, key=lambda row: (row["met"], -rank(row["measured"])))
    legend = "".join(
        f'<li><svg class="chart" viewBox="0 0 26 12" aria-hidden="true">{drawn}</svg>{words}</li>'
        for drawn, words in _LEGEND
    )
    return (
        f'<section><h2>Cell by cell <small>the worst first; each tenth of a second</small></h2><ul class="legend">{legend}</ul>'
        f"{''.join(_cell(row, ids[row['cell']]) for row in worst_first)}</section>"
    )


def _cell(row: Mapping[str, Any], name: str) -> str:
    look, sign = _look(row)
    drawn = "".join(
        f"<figure>{f'<figcaption>{escape(entry)}</figcaption>' if len(row['timeline']) > 1 else ''}"
        f"{chart(row, entry, f'{name}-{number}')}</figure>"
        for number, entry in enumerate(row["timeline"])
    )
    return (
        f'<article id="{name}"><header><h3>{escape(row["fault"])} <span>at</span> {escape(row["target"])}</h3>'
        f'<span class="tag {look}"><span class="sign" aria-hidden="true">{sign}</span>{_word(row)}</span></header>'
        f'<p class="why">{escape(row["because"])} <em>(expected: {escape(row["expected"])})</em></p>'
        f"{drawn}{_numbers(row)}{_facts(row)}</article>\n"
    )


def _numbers(row: Mapping[str, Any]) -> str:
    shown = [
        ("requests failed", failed(row), bool(row["failed"])),
        ("nobody served for", seconds(row["gap"]), bool(row["gap"])),
        ("detected after", seconds(row["detected"]), False),
        ("last failure after", seconds(row["failover"]) if row["failover"] else "none failed", False),
        ("all back after it ended", seconds(row["recovered"]), row["recovered"] is None),
        ("p99 before / during / after", f"{percentiles(row)} ms", False),
        ("retries / hedges", f"{row['retries']:,} / {row['hedges']:,}", False),
        *_writes(row["writes"]),
    ]
    inner = "".join(
        f"<div><dt>{what}</dt><dd{' class=hurt' if hurts else ''}>{escape(value)}</dd></div>"
        for what, value, hurts in shown
    )
    return f'<dl class="numbers">{inner}</dl>'


def _writes(writes: Mapping[str, int] | None) -> list[tuple[str, str, bool]]:
    if writes is None:
        return []
    return [
        ("writes lost", f"{writes['lost']:,} of {writes['acknowledged']:,}", bool(writes["lost"])),
        ("writes done twice", f"{writes['twice']:,} of {writes['executed']:,}", bool(writes["twice"])),
    ]


def _facts(row: Mapping[str, Any]) -> str:
    shown = [
        ("Broken", ", ".join(row["breaks"]) or "Mainstay itself"),
        ("Evidence", row["confirmed"] or "none that the fault acted"),
        ("Failures", kinds(row) if row["failed"] else ""),
        ("Accepted", row["accepted"] or ""),
        ("Called off", row["aborted"] or ""),
        ("Needed", "somebody who did something" if row["human"] else ""),
        ("Generator", _generator(row["generator"])),
        ("Measured", moment(row["at"]) + (f", {ago(row['age'])} ago" if "age" in row else "")),
    ]
    inner = "".join(f"<dt>{what}</dt><dd>{escape(value)}</dd>" for what, value in shown if value)
    return f'<dl class="facts">{inner}<dt>Again</dt><dd><code>{escape(row["reproduce"])}</code></dd></dl>'


def _generator(told: Mapping[str, Any]) -> str:
    unsent = f", {told['unsent']:,} not sent" if told["unsent"] else ""
    return f"99 of 100 requests within {millis(told['lag_p99'])} of their time{unsent}"


def _meanings(rows: Iterable[Mapping[str, Any]]) -> str:
    seen = {row["verdict"] for row in rows}
    inner = "".join(
        f'<dt><span class="tag {look}"><span class="sign" aria-hidden="true">{sign}</span>{verdict.replace("_", " ")}</span></dt>'
        f"<dd>{escape(meaning)}</dd>"
        for verdict, meaning in VERDICTS.items()
        if verdict in seen
        for look, sign in [_LOOKS.get(verdict, _BAD)]
    )
    return (
        f'<section><h2>What the words mean</h2><dl class="words">{inner}</dl>'
        '<p class="small">Users come at a fixed rate, whether or not the system answers, and their latency counts from the moment'
        " at which they meant to come. Times count from the beginning of the fault unless they say otherwise. A hedge is a second"
        " attempt that the gateway makes beside one that is late; whichever answers first is taken. A trial is one cell that was played; the lower bound of coverage is that of Clopper and"
        " Pearson.</p></section>"
    )


def _look(row: Mapping[str, Any]) -> tuple[str, str]:
    look, sign = _LOOKS.get(row["verdict"], _BAD)
    if not row["met"] and row["verdict"] in (SURVIVED, DEGRADED):
        return _BAD[0], sign
    # An outage that is allowed for is still told as one, and is not what is wrong here.
    return ("fair", sign) if row["met"] and look == _BAD[0] else (look, sign)


def _word(row: Mapping[str, Any]) -> str:
    return str(row["verdict"]).replace("_", " ") or NONE
