"""The report as one page of HTML: nothing else is needed to show it, no script runs, and nothing is fetched."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from mainstay import __version__
from mainstay.base.moment import moment
from mainstay.base.style import CSS
from mainstay.ledger.figure import between, latency, percent, span
from mainstay.reliability.span import STATES, UNKNOWN, Span, joined

_STRIPES = 600
"""Into how many slices a period is cut at most: what is shorter is shown by the worst of its slice."""
_WORST = ("down", "drill", "maintenance", "degraded", "up", UNKNOWN)
_LOOKS = {
    "up": "good",
    "degraded": "fair",
    "down": "bad",
    "maintenance": "note-v",
    "drill": "odd",
    UNKNOWN: "gap",
}
_STRIP = """
.strip{display:block;width:100%;height:34px;border-radius:7px;background:var(--none-bg)}
.strip .up{fill:var(--good)}.strip .degraded{fill:var(--fair)}.strip .down{fill:var(--bad)}.strip .maintenance{fill:var(--note)}
.strip .drill{fill:var(--odd)}.strip .unknown{fill:transparent}
.ends{display:flex;justify-content:space-between;font-size:12.5px;color:var(--soft);margin:3px 0 12px}
.said{margin:8px 0 14px;padding-left:20px}.said li{margin:3px 0}
""".strip()


def page(report: Mapping[str, Any]) -> str:
    """Write a report as a page of HTML."""
    rows = report["services"]
    name = escape(report["system"])
    return "\n".join(
        (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
            f'<meta name="generator" content="Mainstay {escape(__version__)}">',
            f"<title>{name}: how often it fails</title>\n<style>{CSS}\n{_STRIP}</style>\n</head>\n<body>",
            _top(report),
            "<main>",
            _table(rows),
            *(_service(row, report) for row in rows),
            _meanings(),
            "</main>",
            f"<footer>Written by Mainstay {escape(__version__)}. Intervals are of 95 % confidence.</footer>",
            "</body>\n</html>\n",
        )
    )


def title(report: Mapping[str, Any]) -> str:
    """Tell what one wants to know first, in one line."""
    known = [row for row in report["services"] if row["time"]["availability"] is not None]
    if not known:
        return "Nothing is known of this period"
    worst = min(known, key=lambda row: row["time"]["availability"])
    served = f"{worst['service']} served {percent(worst['time']['availability'])} of the time"
    good = worst["requests"]["availability"]
    if good is not None and good < worst["time"]["availability"]:
        served += f", and {percent(good)} of the requests well"
    return served if len(known) == 1 else f"The least available of {len(known)}: {served}"


def _top(report: Mapping[str, Any]) -> str:
    down = any(row["time"]["down"] for row in report["services"])
    known = [row for row in report["services"] if row["time"]["availability"] is not None]
    worst = min(known, key=lambda row: row["time"]["availability"], default=None)
    told = "".join(f"<li>{escape(line)}</li>" for line in (worst["told"][:3] if worst else ()))
    return (
        f'<header class="top{" no" if down else ""}"><div><p class="over">How often {escape(report["system"])} fails</p>'
        f'<h1>{escape(title(report))}</h1><ul class="three">{told}</ul>'
        f'<p class="meta"><span>{moment(report["since"])} to {moment(report["until"])}</span></p></div></header>'
    )


def _table(rows: Iterable[Mapping[str, Any]]) -> str:
    lines = [
        f'<tr><th scope="row">{escape(row["service"])}</th>'
        + _cells(
            percent(row["time"]["availability"]),
            between(row["time"]["low"], row["time"]["high"]),
            f"{row['time']['outages']:,}",
            span(row["time"]["down"]),
            span(row["time"]["unknown"]),
            f"{row['requests']['valid']:,}",
            percent(row["requests"]["availability"]),
            latency(row["requests"]["p50"]),
            latency(row["requests"]["p99"]),
        )
        for row in rows
    ]
    heads = ("by time", "95 % interval", "outages", "down", "unknown", "requests", "good", "p50", "p99")
    return _grid("Services", "service", heads, lines)


def _grid(name: str, first: str, heads: Sequence[str], lines: Sequence[str]) -> str:
    if not lines:
        return ""
    head = "".join(f'<th scope="col" class="n">{one}</th>' for one in heads)
    return (
        f'<section><h2>{name}</h2><div class="scroll"><table><thead><tr><th scope="col">{first}</th>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div></section>"
    )


def _cells(*values: str) -> str:
    return "".join(f'<td class="n">{escape(value)}</td>' for value in values) + "</tr>"


def _service(row: Mapping[str, Any], report: Mapping[str, Any]) -> str:
    told = "".join(f"<li>{escape(line)}</li>" for line in row["told"])
    lines = [
        f'<tr><th scope="row">{escape(one["instance"])}</th>'
        + _cells(
            one["zone"] or "–",  # noqa: RUF001 - a dash is what is meant
            span(one["present"]),
            percent(one["availability"]),
            between(one["low"], one["high"]),
            f"{one['exits']:,}",
            f"{one['on_purpose']:,}",
        )
        for one in row["instances"]
    ]
    heads = ("zone", "there for", "by time", "95 % interval", "exits", "of these on purpose")
    return (
        f'<section><h2>{escape(row["service"])}</h2><article>{_strip(row, report)}<ul class="said">{told}</ul></article></section>'
        f"{_grid('Instances', 'instance', heads, lines)}"
    )


def _strip(row: Mapping[str, Any], report: Mapping[str, Any]) -> str:
    """Draw the period: what each slice of it was like at its worst, and in words for those who see no colours."""
    since, until = report["since"], report["until"]
    drawn = "".join(
        f'<rect class="{one.state}" x="{one.since:g}" width="{one.seconds:g}" height="34"><title>{one.state}: {STATES[one.state]}</title></rect>'
        for one in _slices([Span(*told) for told in row["timeline"]], since, until)
        if one.state != UNKNOWN
    )
    time = row["time"]
    words = ", ".join(
        f"{name} {span(time[name])}" for name in ("served", "down", "excused", "unknown") if time[name]
    )
    return (
        f'<svg class="strip" viewBox="0 0 {_STRIPES} 34" preserveAspectRatio="none" role="img" aria-label="{escape(words)}">{drawn}</svg>'
        f'<p class="ends"><span>{moment(since)}</span><span>{escape(words)}</span><span>{moment(until)}</span></p>'
    )


def _slices(spans: Sequence[Span], since: float, until: float) -> list[Span]:
    """Give the worst state of each slice, neighbours joined, counted in slices."""
    states, wide = [UNKNOWN] * _STRIPES, (until - since) / _STRIPES
    for one in spans:
        first = max(0, int((one.since - since) / wide))
        last = min(_STRIPES - 1, int((one.until - since) / wide - 1e-9))
        for place in range(first, last + 1):
            states[place] = min(states[place], one.state, key=_WORST.index)
    return joined([Span(state, place, place + 1) for place, state in enumerate(states)])


def _meanings() -> str:
    inner = "".join(
        f'<dt><span class="tag {_LOOKS[state]}">{state}</span></dt><dd>{escape(meaning)}</dd>'
        for state, meaning in STATES.items()
    )
    return (
        f'<section><h2>What the words mean</h2><dl class="words">{inner}</dl>'
        f'<p class="small">{escape(NOTE)}</p></section>'
    )


NOTE = (
    "Availability by time is the share of the watched time in which it served; unknown time counts neither for nor against,"
    " and maintenance and drills are not charged. What can be promised is the lower end of an interval, not the figure."
)
"""What is to be known of all figures."""
